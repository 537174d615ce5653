import type { Admin } from "@kakeuri/client";
import { useState } from "react";
import { time, yen } from "../format.ts";
import { useAction, useList } from "../hooks.ts";
import { useRoute } from "../router.ts";
import { useShop } from "../shop.tsx";
import { Badge, Export, Filters, Heading, JobProgress, ListTable, Problem } from "../ui/index.ts";

type Filter = NonNullable<Admin.paths["/v1/admin/orders"]["get"]["parameters"]["query"]>;

export function OrdersScreen() {
    const { api, t, word, can } = useShop();
    const { query } = useRoute();
    // What the address says is for the service to judge.
    const filter = query as Filter;
    const list = useList(
        (place, signal) => api.get("/v1/admin/orders", { query: { ...filter, ...place }, signal }),
        [api, JSON.stringify(query)],
    );
    const [job, setJob] = useState<string>();
    const refresh = useAction(async () => {
        setJob((await api.post("/v1/admin/orders/payments/refresh", { body: { filter } })).id);
    });
    return (
        <>
            <Heading title={t("受注", "Orders")}>
                <Export name="orders.csv" get={(options) => (
                    api.get("/v1/admin/orders/export", { query: { ...filter, ...options } })
                )} />
                {can("payments:write") && (
                    <button type="button" disabled={refresh.isBusy} onClick={() => void refresh.run()}>
                        {t("決済状態を一括更新", "Refresh payments")}
                    </button>
                )}
            </Heading>
            <Problem error={refresh.error} />
            {job && <JobProgress key={job} id={job} onEnd={list.reload} />}
            <Filters path="orders" query={query} search={t("受注番号・会社名", "Number or company")} by={[
                ["payment_status", t("決済状況", "Payment"), "PaymentStatus"],
                ["handling_status", t("対応状況", "Handling"), "HandlingStatus"],
                ["payment_method", t("決済方法", "Method"), "PaymentMethod"],
            ]} />
            <ListTable caption={t("受注", "Orders")} list={list} keyOf={({ id }) => id} columns={[
                [t("受注番号", "Number"), ({ id, number }) => <a href={`#/orders/${id}`}>{number}</a>],
                [t("受注日時", "Placed"), ({ placed_at }) => time(placed_at)],
                [t("会員", "Member"), ({ member }) => <>{member.company_name}<small>{member.number}</small></>, "wide"],
                [t("税込合計", "Total"), ({ totals }) => yen(totals.total), "number"],
                [t("対応状況", "Handling"), (order) => <Badge of="HandlingStatus" value={order.handling_status} />],
                [t("決済方法", "Method"), ({ payment_method }) => word("PaymentMethod", payment_method)],
                [t("決済状況", "Payment"), ({ payment }) => !payment ? "—" : (
                    <>
                        <Badge of="PaymentStatus" value={payment.status} />
                        {payment.amount_mismatch && <small className="fault">Paid {yen(payment.amount)}</small>}
                    </>
                )],
            ]} />
        </>
    );
}
