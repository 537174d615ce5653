import type { Admin } from "@kakeuri/client";
import { exactTime, time } from "../format.ts";
import { useActions, useList, useOne } from "../hooks.ts";
import { useShop } from "../shop.tsx";
import {
    Act, Ask, Badge, Card, Choices, Facts, Field, Heading, ListTable, Pending, Problem, Secret,
} from "../ui/index.ts";

export function WebhooksScreen() {
    const { api, t, word, choices } = useShop();
    const list = useList((query, signal) => api.get("/v1/admin/webhooks", { query, signal }), [api]);
    const all = { value: "*", label: t("すべて", "All") };
    return (
        <>
            <Heading title={t("Webhook", "Webhooks")}>
                <Ask button={t("登録", "Add")} title={t("Webhookの登録", "Add a webhook")} label={t("登録する", "Add it")}
                    className="primary" submit={async (form) => {
                        const body = { url: form.text("/url"), events: form.all("/events") };
                        const { secret } = await api.post("/v1/admin/webhooks", { body });
                        list.reload();
                        return <Secret label={t("署名シークレット", "Secret")} value={secret} />;
                    }}>
                    <Field name="/url" type="url" label="URL" placeholder="https://…" />
                    <Choices name="/events" type="checkbox" label={t("通知する出来事", "Events")}
                        choices={[all, ...choices("EventType")]} />
                </Ask>
            </Heading>
            <ListTable caption={t("Webhook", "Webhooks")} list={list} keyOf={({ id }) => id} columns={[
                ["URL", ({ id, url }) => <a href={`#/webhooks/${id}`}>{url}</a>, "wide"],
                [t("状態", "Status"), ({ status }) => status && <Badge of="WebhookStatus" value={status} />],
                [t("通知する出来事", "Events"), ({ events }) => events
                    .map((event) => event === "*" ? all.label : word("EventType", event)).join(t("、", ", ")), "wide"],
                [t("最終配信", "Delivered"), ({ last_delivered_at }) => time(last_delivered_at)],
            ]} />
        </>
    );
}

export function WebhookScreen({ id }: { id: string }) {
    const { api, t, word } = useShop();
    const page = useOne(id, (where) => api.get("/v1/admin/webhooks/{id}", where));
    const { data: webhook, known, error, reload } = page;
    if (!webhook) return <Pending of={page} />;
    const { status, disabled_reason, failing_since, former_secret_until } = webhook;
    const isActive = status === "active";
    const turn = { ...known, body: { status: isActive ? "disabled" : "active" } as const };
    return (
        <>
            <Heading up={["#/webhooks", t("Webhook", "Webhooks")]} title={webhook.url}>
                <Act on={page} label={isActive ? t("停止", "Disable") : t("再開", "Enable")} done={t("変更しました。", "Changed.")}
                    call={() => api.patch("/v1/admin/webhooks/{id}", turn)} />
                <Ask button={t("シークレット更新", "New secret")} label={t("更新する", "Make it")} reload={reload}
                    submit={async () => {
                        const call = { ...known, body: {} };
                        const { secret } = await api.post("/v1/admin/webhooks/{id}/rotate-secret", call);
                        reload();
                        return <Secret label={t("署名シークレット", "Secret")} value={secret} />;
                    }} />
                <Ask button={t("削除", "Remove")} label={t("削除する", "Remove")} className="grave" isGrave submit={() => (
                    page.act(() => api.delete("/v1/admin/webhooks/{id}", known), t("削除しました。", "Removed."), "webhooks")
                )} />
            </Heading>
            <Problem error={error} reload={reload} />
            <Card title={t("設定", "Settings")}>
                <Facts facts={[
                    [t("状態", "Status"), status && <Badge key="status" of="WebhookStatus" value={status} />],
                    [t("停止の理由", "Disabled as"), disabled_reason && word("DisabledReason", disabled_reason)],
                    [t("失敗の開始", "Failing since"), time(failing_since)],
                    [t("旧シークレットの期限", "Former secret until"), time(former_secret_until)],
                ]} />
            </Card>
            <Deliveries id={id} />
        </>
    );
}

function Deliveries({ id }: { id: string }) {
    const { api, t, word } = useShop();
    const path = { id };
    const call = (query: object, signal?: AbortSignal) =>
        api.get("/v1/admin/webhooks/{id}/deliveries", { path, query, signal });
    const list = useList(call, [api, id]);
    const actions = useActions(list.reload);
    const resend = ({ id: delivery_id }: Admin.WebhookDelivery) =>
        api.post("/v1/admin/webhooks/{id}/deliveries/{delivery_id}/resend", { path: { id, delivery_id } });
    return (
        <Card title={t("配信", "Deliveries")} tools={
            <Act on={actions} label={t("テスト配信", "Send a test")} done={t("テスト配信を送りました。", "A test is sent.")}
                call={() => api.post("/v1/admin/webhooks/{id}/test", { path })} className="primary" />
        }>
            <Problem error={actions.error} />
            <ListTable caption={t("配信", "Deliveries")} list={list} keyOf={(delivery) => delivery.id} columns={[
                [t("日時", "Time"), (delivery) => exactTime(delivery.attempted_at ?? delivery.created_at)],
                [t("出来事", "Event"), ({ type }) => word("EventType", type)],
                [t("状態", "State"), ({ state }) => <Badge of="DeliveryState" value={state} />],
                [t("応答", "Answer"), ({ status_code, failure, response_excerpt }) => (
                    <>
                        {status_code} {failure && word("DeliveryFailure", failure)}
                        {response_excerpt && <small>{response_excerpt}</small>}
                    </>
                ), "wide"],
                [t("回数", "Attempts"), ({ attempt }) => attempt, "number"],
                [t("次回", "Next"), ({ next_try_at }) => time(next_try_at)],
                [t("操作", "Action"), (delivery) => (
                    <Act on={actions} label={t("再送", "Resend")} done={t("再送します。", "It is sent again.")}
                        call={() => resend(delivery)} />
                )],
            ]} />
        </Card>
    );
}
