import type { Admin } from "@kakeuri/client";
import { useState } from "react";
import { useOne } from "../hooks.ts";
import { go } from "../router.ts";
import { useShop } from "../shop.tsx";
import { Act, Card, Facts, Field, Form, Heading, Pending, Problem, Secret } from "../ui/index.ts";

/** One's own account and its second factor. */
export function AccountScreen() {
    const { api, t, word } = useShop();
    const page = useOne("me", ({ signal }) => api.get("/v1/admin/me", { signal }));
    const [setup, setSetup] = useState<Admin.TotpSetup>();
    const [recovery, setRecovery] = useState<string[]>();
    const { data: me, error, reload } = page;
    if (!me) return <Pending of={page} />;
    const begin = async () => setSetup(await api.post("/v1/admin/me/totp"));
    return (
        <>
            <Heading title={me.name} />
            <Problem error={error} reload={reload} />
            <div className="columns even">
                <Card title={t("アカウント", "Account")}>
                    <Facts facts={[
                        [t("メール", "E-mail"), me.email],
                        [t("役割", "Role"), word("Role", me.role)],
                        [t("権限", "May"), me.scopes.map((scope) => word("Scope", scope)).join(t("、", ", "))],
                    ]} />
                </Card>
                <Card title={t("二段階認証", "Second factor")} tools={
                    <>
                        <Act on={page} label={t("設定する", "Set it up")} call={begin}
                            done={t("キーをアプリに登録してください。", "Give the key to your app.")} />
                        {me.second_factor && (
                            <Act on={page} label={t("解除", "Remove")} done={t("解除しました。", "It is removed.")}
                                call={() => api.delete("/v1/admin/me/totp")} className="grave" />
                        )}
                    </>
                }>
                    <p>{me.second_factor ? t("設定済みです。", "It is set up.") : t("未設定です。", "It is not set up.")}</p>
                    {recovery && <Secret label={t("リカバリーコード", "Recovery codes")} value={recovery.join(" ")} />}
                    {setup && !recovery && (
                        <>
                            <Secret label={t("アプリに登録するキー", "Key for your app")} value={setup.secret} />
                            <Form label={t("確認する", "Confirm")} submit={async (form) => {
                                const body = { code: form.text("/code") };
                                setRecovery((await api.post("/v1/admin/me/totp/confirm", { body })).recovery_codes);
                                reload();
                            }}>
                                <Field name="/code" label={t("アプリに表示されたコード", "Code that the app shows")}
                                    inputMode="numeric" autoComplete="one-time-code" />
                            </Form>
                        </>
                    )}
                </Card>
            </div>
        </>
    );
}

/** Where the link of an invitation leads to. */
export function InvitationScreen({ token }: { token: string }) {
    const { api, t, notify } = useShop();
    return (
        <main className="alone">
            <h1>{t("パスワードの設定", "Set a password")}</h1>
            <Form label={t("設定する", "Set it")} submit={async (form) => {
                await api.post("/v1/admin/invitations/accept", { body: { token, password: form.text("/password") } });
                await api.logOut();
                notify(t("パスワードを設定しました。", "The password is set."));
                go("");
            }}>
                <Field name="/password" type="password" label={t("新しいパスワード", "New password")}
                    autoComplete="new-password" />
            </Form>
        </main>
    );
}
