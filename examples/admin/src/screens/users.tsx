import type { Admin } from "@kakeuri/client";
import { time } from "../format.ts";
import { useList, useOne } from "../hooks.ts";
import { useShop } from "../shop.tsx";
import {
    Act, Ask, Badge, Card, Choices, Facts, Field, Form, Heading, ListTable, Pending, Problem, Secret,
} from "../ui/index.ts";

export function UsersScreen() {
    const { api, t, word, choices } = useShop();
    const list = useList((query, signal) => api.get("/v1/admin/users", { query, signal }), [api]);
    return (
        <>
            <Heading title={t("スタッフ", "Staff")}>
                <Ask button={t("招待", "Invite")} title={t("スタッフの招待", "Invite somebody")} className="primary"
                    label={t("招待する", "Invite")} submit={async (form) => {
                        const role = form.text("/role") as Admin.Role;
                        const body = { name: form.text("/name"), email: form.text("/email"), role };
                        const { invitation } = await api.post("/v1/admin/users", { body });
                        list.reload();
                        return invitation && <Link invitation={invitation} />;
                    }}>
                    <Field name="/name" label={t("氏名", "Name")} />
                    <Field name="/email" type="email" label={t("メールアドレス", "E-mail")} />
                    <Choices name="/role" type="radio" label={t("役割", "Role")} choices={choices("Role")}
                        chosen={["staff"]} />
                </Ask>
            </Heading>
            <ListTable caption={t("スタッフ", "Staff")} list={list} keyOf={({ id }) => id} columns={[
                [t("氏名", "Name"), ({ id, name }) => <a href={`#/users/${id}`}>{name}</a>],
                [t("メール", "E-mail"), ({ email }) => email, "wide"],
                [t("役割", "Role"), ({ role }) => word("Role", role)],
                [t("状態", "Status"), ({ status }) => <Badge of="UserStatus" value={status} />],
                [t("二段階認証", "Second factor"), (user) => user.second_factor ? t("あり", "yes") : t("なし", "no")],
                [t("登録", "Added"), ({ created_at }) => time(created_at)],
            ]} />
        </>
    );
}

/** What is sent to whom it is for: whoever opens it sets a password. */
function Link({ invitation: { token, expires_at } }: { invitation: Admin.Invitation }) {
    const { t } = useShop();
    const link = `${location.origin}${location.pathname}#/invitation/${token}`;
    return (
        <>
            <Secret label={t("本人に送るリンク", "To be sent to whom it is for")} value={link} />
            <p className="faint">{t("有効期限", "Good until")} {time(expires_at)}</p>
        </>
    );
}

export function UserScreen({ id }: { id: string }) {
    const { api, t, choices, notify } = useShop();
    const page = useOne(id, (where) => api.get("/v1/admin/users/{id}", where));
    const { data: user, known, error, reload } = page;
    if (!user) return <Pending of={page} />;
    const isDisabled = user.status === "disabled";
    const turn = { ...known, body: { status: isDisabled ? "active" : "disabled" } as const };
    return (
        <>
            <Heading up={["#/users", t("スタッフ", "Staff")]} title={
                <>{user.name} <Badge of="UserStatus" value={user.status} /></>
            }>
                <Act on={page} label={isDisabled ? t("有効にする", "Enable") : t("無効にする", "Disable")}
                    done={t("変更しました。", "Changed.")} call={() => api.patch("/v1/admin/users/{id}", turn)} />
                <Ask button={t("リンクを発行", "New link")} label={t("発行する", "Make it")} reload={reload}
                    submit={async () => {
                        const { invitation } = await api.post("/v1/admin/users/{id}/invitation", known);
                        reload();
                        return invitation && <Link invitation={invitation} />;
                    }}>
                    <p>{t("パスワードを設定するリンクを発行します。", "With the link a new password can be set.")}</p>
                </Ask>
                <Act on={page} label={t("セッションを終了", "End sessions")} done={t("終了しました。", "They are ended.")}
                    call={() => api.post("/v1/admin/users/{id}/end-sessions", { path: { id } })} />
                <Act on={page} label={t("二段階認証を解除", "Remove second factor")} done={t("解除しました。", "Removed.")}
                    call={() => api.delete("/v1/admin/users/{id}/totp", known)} />
                <Ask button={t("削除", "Remove")} label={t("削除する", "Remove")} className="grave" isGrave submit={() => (
                    page.act(() => api.delete("/v1/admin/users/{id}", known), t("削除しました。", "Removed."), "users")
                )} />
            </Heading>
            <Problem error={error} reload={reload} />
            <Card title={t("スタッフ情報", "Who it is")}>
                <Facts facts={[
                    [t("メール", "E-mail"), user.email],
                    [t("二段階認証", "Second factor"), user.second_factor ? t("あり", "yes") : t("なし", "no")],
                    [t("登録", "Added"), time(user.created_at)],
                ]} />
                <Form key={known.ifMatch} label={t("保存", "Save")} reload={reload} submit={async (form) => {
                    const body = { name: form.text("/name"), role: form.text("/role") as Admin.Role };
                    await api.patch("/v1/admin/users/{id}", { ...known, body });
                    notify(t("保存しました。", "Saved."));
                    reload();
                }}>
                    <Field name="/name" label={t("氏名", "Name")} defaultValue={user.name} />
                    <Choices name="/role" type="radio" label={t("役割", "Role")} choices={choices("Role")}
                        chosen={[user.role]} />
                </Form>
            </Card>
        </>
    );
}
