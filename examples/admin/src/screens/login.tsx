import { isProblem } from "@kakeuri/client";
import { useEffect, useState } from "react";
import { useShop } from "../shop.tsx";
import { Field, Form, LanguageSwitch } from "../ui/index.ts";

export function LoginScreen() {
    const { api, t } = useShop();
    const [store, setStore] = useState("");
    const [asksForCode, setAsksForCode] = useState(false);
    useEffect(() => {
        // Where the service shows a demo store, its name need not be typed.
        const known = async () => ((await (await fetch("/examples/config.json")).json()) as { store: string }).store;
        known().then(setStore, () => undefined);
    }, []);
    return (
        <main className="alone">
            <h1>{t("掛売り管理", "Kakeuri admin")}</h1>
            <Form label={t("ログイン", "Log in")} submit={async (form) => {
                const [totp, recovery_code] = [form.orNull("/totp"), form.orNull("/recovery_code")];
                const [store, email] = [form.text("/store"), form.text("/email")];
                const who = { store, email, password: form.text("/password"), totp, recovery_code };
                await api.logIn(who).catch((error: unknown) => {
                    if (isProblem(error, "second_factor_required")) setAsksForCode(true);
                    throw error;
                });
            }}>
                <Field key={store} name="/store" label={t("店舗", "Store")} defaultValue={store} />
                <Field name="/email" type="email" label={t("メールアドレス", "E-mail")} autoComplete="username" />
                <Field name="/password" type="password" label={t("パスワード", "Password")}
                    autoComplete="current-password" />
                {asksForCode && (
                    <>
                        <Field name="/totp" label={t("認証コード", "Code of the app")} inputMode="numeric"
                            autoComplete="one-time-code" />
                        <Field name="/recovery_code" label={t("またはリカバリーコード", "or a recovery code")} />
                    </>
                )}
            </Form>
            <LanguageSwitch />
        </main>
    );
}
