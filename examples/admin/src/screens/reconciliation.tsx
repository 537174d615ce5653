import type { Admin } from "@kakeuri/client";
import { useState } from "react";
import { yen } from "../format.ts";
import { useList, useOne } from "../hooks.ts";
import { useShop } from "../shop.tsx";
import { Badge, Check, Dialog, Facts, Form, Heading, ListTable, Pending, Reason } from "../ui/index.ts";

type Chosen = { item: Admin.ReconciliationItem; action: Admin.Resolution };

export function ReconciliationScreen() {
    const { api, t, word, paidCode } = useShop();
    const [chosen, setChosen] = useState<Chosen>();
    const list = useList((query, signal) => api.get("/v1/admin/reconciliation", { query, signal }), [api]);
    return (
        <>
            <Heading title={t("要確認", "Reconciliation")} reload={list.reload} />
            <ListTable caption={t("要確認", "Reconciliation")} list={list} keyOf={({ subject }) => subject.id} columns={[
                [t("対象", "Subject"), ({ subject, order, member }) => (
                    <>
                        <a href={`#/${subject.type}s/${subject.id}`}>{order?.number ?? member?.number}</a>
                        <small>{(order?.member ?? member)?.company_name}</small>
                    </>
                ), "wide"],
                [t("原因", "Causes"), ({ causes, unknown_codes }) => (
                    <>
                        {causes.map(({ code }) => <span key={code} className="badge open">{word("Cause", code)}</span>)}
                        {unknown_codes.length > 0 && <small>{unknown_codes.map(paidCode).join(" / ")}</small>}
                    </>
                ), "wide"],
                [t("受注の合計", "Order"), ({ order }) => order && yen(order.totals.total), "number"],
                ["Paid", ({ order, seen, member }) => (
                    <>
                        {order?.payment && yen(order.payment.amount)}
                        {seen && <small>{t("Paidの表示: ", "shown: ")}{seen.status} {yen(seen.amount)}</small>}
                        {member && <Badge of="ApplicationStatus" value={member.paid.application_status} />}
                    </>
                ), "number"],
                [t("対応", "Actions"), (item) => item.allowed_actions.map((action) => (
                    <button key={action} type="button" onClick={() => setChosen({ item, action })}>
                        {word("Resolution", action)}
                    </button>
                )), "wide"],
            ]} />
            {chosen && <ResolveDialog {...chosen} onClose={() => setChosen(undefined)} reload={list.reload} />}
        </>
    );
}

type Props = Chosen & { onClose: () => void; reload: () => void };

/** Shows the order or the member as it is at this moment, and decides about just that. */
function ResolveDialog({ item: { subject, seen }, action, onClose, reload }: Props) {
    const { api, t, word, notify } = useShop();
    const now = useOne<Admin.Order | Admin.Member>(subject.id, (where) => (
        subject.type === "order" ? api.get("/v1/admin/orders/{id}", where) : api.get("/v1/admin/members/{id}", where)
    ));
    const { data, known } = now;
    return (
        <Dialog title={word("Resolution", action)} onClose={onClose}>
            {!data ? <Pending of={now} /> : (
                <Form label={word("Resolution", action)} isGrave={action === "abandon"} reload={now.reload}
                    submit={async (form) => {
                        const adopt = form.isChecked("/adopt");
                        const body = { action, reason: form.text("/reason"), ...(adopt && { adopt }) };
                        await api.post("/v1/admin/reconciliation/{id}/resolve", { ...known, body });
                        notify(t("対応しました。", "Done."));
                        onClose();
                        reload();
                    }}>
                    <Facts facts={"totals" in data ? [
                        [t("受注番号", "Order"), data.number],
                        [t("受注の税込合計", "Total of the order"), yen(data.totals.total)],
                        [t("Paidの金額", "Amount at Paid"), data.payment && yen(data.payment.amount)],
                    ] : [[t("会員", "Member"), data.company_name]]} />
                    {seen && action === "accept" && (
                        <Check name="/adopt" label={t("Paidの内容を取り込む", "Take over what Paid shows")} />
                    )}
                    <Reason />
                </Form>
            )}
        </Dialog>
    );
}
