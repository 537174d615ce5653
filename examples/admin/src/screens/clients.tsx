import type { Admin } from "@kakeuri/client";
import { time } from "../format.ts";
import { useList, useOne } from "../hooks.ts";
import { useShop } from "../shop.tsx";
import {
    Ask, Card, Choices, Facts, Field, Form, Heading, ListTable, Pending, Problem, Secret,
} from "../ui/index.ts";

export function ClientsScreen() {
    const { api, t, word, choices } = useShop();
    const list = useList((query, signal) => api.get("/v1/admin/clients", { query, signal }), [api]);
    return (
        <>
            <Heading title={t("連携", "Partners")}>
                <Ask button={t("登録", "Add")} title={t("連携クライアントの登録", "Add a partner")} className="primary"
                    label={t("登録する", "Add it")} submit={async (form) => {
                        const body = { name: form.text("/name"), scopes: form.all("/scopes") as Admin.Scope[] };
                        const client = await api.post("/v1/admin/clients", { body });
                        list.reload();
                        return <Credentials client={client} />;
                    }}>
                    <Field name="/name" label={t("名称", "Name")} />
                    <Choices name="/scopes" type="checkbox" label={t("権限", "Scopes")} choices={choices("Scope")} />
                </Ask>
            </Heading>
            <ListTable caption={t("連携", "Partners")} list={list} keyOf={({ id }) => id} columns={[
                [t("名称", "Name"), ({ id, name }) => <a href={`#/clients/${id}`}>{name}</a>],
                [t("クライアントID", "Client id"), ({ client_id }) => <code>{client_id}</code>, "wide"],
                [t("権限", "Scopes"), ({ scopes }) => scopes.map((one) => word("Scope", one)).join(t("、", ", ")), "wide"],
                [t("最終利用", "Used"), ({ last_used_at }) => time(last_used_at)],
            ]} />
        </>
    );
}

function Credentials({ client: { client_id, client_secret = "" } }: { client: Admin.ClientWithSecret }) {
    const { t } = useShop();
    return (
        <>
            <Facts facts={[[t("クライアントID", "Client id"), <code key="id">{client_id}</code>]]} />
            <Secret label={t("クライアントシークレット", "Client secret")} value={client_secret} />
        </>
    );
}

export function ClientScreen({ id }: { id: string }) {
    const { api, t, choices, notify } = useShop();
    const page = useOne(id, (where) => api.get("/v1/admin/clients/{id}", where));
    const { data: client, known, error, reload } = page;
    if (!client) return <Pending of={page} />;
    return (
        <>
            <Heading up={["#/clients", t("連携", "Partners")]} title={client.name}>
                <Ask button={t("シークレット更新", "New secret")} label={t("更新する", "Make it")} reload={reload}
                    submit={async (form) => {
                        const overlap_minutes = form.number("/overlap_minutes");
                        const body = overlap_minutes === null ? {} : { overlap_minutes };
                        const client = await api.post("/v1/admin/clients/{id}/rotate-secret", { ...known, body });
                        reload();
                        return <Credentials client={client} />;
                    }}>
                    <Field name="/overlap_minutes" type="number" hint={t("空欄はすぐに無効", "None where blank")}
                        label={t("旧シークレットも有効な時間（分）", "Minutes for which the former one is good too")} />
                </Ask>
                <Ask button={t("削除", "Remove")} label={t("削除する", "Remove")} className="grave" isGrave submit={() => (
                    page.act(() => api.delete("/v1/admin/clients/{id}", known), t("削除しました。", "Removed."), "clients")
                )} />
            </Heading>
            <Problem error={error} reload={reload} />
            <Card title={t("設定", "Settings")}>
                <Facts facts={[
                    [t("クライアントID", "Client id"), <code key="id">{client.client_id}</code>],
                    [t("最終利用", "Used"), time(client.last_used_at)],
                    [t("旧シークレットの期限", "Former secret until"), time(client.former_secret_until)],
                ]} />
                <Form key={known.ifMatch} label={t("保存", "Save")} reload={reload} submit={async (form) => {
                    const body = {
                        name: form.text("/name"),
                        scopes: form.all("/scopes") as Admin.Scope[],
                        allowed_ips: form.text("/allowed_ips").split(/[\s,]+/).filter(Boolean),
                    };
                    await api.patch("/v1/admin/clients/{id}", { ...known, body });
                    notify(t("保存しました。", "Saved."));
                    reload();
                }}>
                    <Field name="/name" label={t("名称", "Name")} defaultValue={client.name} />
                    <Field name="/allowed_ips" label={t("接続元アドレス", "Comes from")}
                        defaultValue={client.allowed_ips?.join(" ")} hint={t("空欄はどこからでも", "Anywhere where blank")} />
                    <Choices name="/scopes" type="checkbox" label={t("権限", "Scopes")} choices={choices("Scope")}
                        chosen={client.scopes} />
                </Form>
            </Card>
        </>
    );
}
