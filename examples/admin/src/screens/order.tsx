import type { Admin } from "@kakeuri/client";
import { time, yen } from "../format.ts";
import { useLoad, useOne } from "../hooks.ts";
import { useShop } from "../shop.tsx";
import {
    Act, Badge, Card, Facts, Heading, LastError, Pending, Problem, Table, Timeline, Waiting,
} from "../ui/index.ts";
import { CancelOrder, CancelPayment, Change, Confirm } from "./order-actions.tsx";

export function OrderScreen({ id }: { id: string }) {
    const { api, t, can } = useShop();
    const page = useOne(id, (where) => api.get("/v1/admin/orders/{id}", where));
    const { data: order, known, error, reload } = page;
    if (!order) return <Pending of={page} />;
    const { payment } = order;
    const about = { order, known, reload };
    const refresh = () => api.post("/v1/admin/orders/{id}/payment/refresh", known);
    return (
        <>
            <Heading up={["#/orders", t("受注", "Orders")]} title={
                <>{t("受注", "Order")} {order.number} <Badge of="HandlingStatus" value={order.handling_status} /></>
            }>
                {can("orders:write") && (
                    <>
                        <Change {...about} />
                        <CancelOrder {...about} />
                    </>
                )}
            </Heading>
            <Problem error={error} reload={reload} />
            <Waiting operation={payment?.open_operation} />
            {order.warnings.map(({ code, message }) => <p key={code} className="note open">{message}</p>)}
            <div className="columns">
                <div>
                    <Card title={t("明細", "Lines")}><Lines order={order} /></Card>
                    <Card title={t("履歴", "History")}><History key={known.ifMatch} id={id} /></Card>
                </div>
                <div>
                    <Card title={t("決済", "Payment")} tools={payment && can("payments:write") && (
                        <>
                            <Confirm {...about} />
                            <CancelPayment {...about} />
                            <Act on={page} label={t("状態更新", "Refresh")} call={refresh}
                                done={t("状態を更新しました。", "Refreshed.")} />
                        </>
                    )}><Payment order={order} /></Card>
                    <Card title={t("受注情報", "Order")}>
                        <Facts facts={[
                            [t("会員", "Member"), <a key="member" href={`#/members/${order.member.id}`}>
                                {order.member.company_name}</a>],
                            [t("受注日時", "Placed"), time(order.placed_at)],
                            [t("取消日時", "Cancelled"), time(order.cancelled_at)],
                            [t("備考", "Note"), order.note],
                            [t("社内メモ", "Internal note"), order.internal_note],
                        ]} />
                    </Card>
                </div>
            </div>
        </>
    );
}

function Lines({ order: { lines, shipping_fee, payment_fee, totals } }: { order: Admin.Order }) {
    const { t } = useShop();
    return (
        <>
            <Table caption={t("明細", "Lines")} rows={lines.map((line, place) => ({ ...line, place }))}
                keyOf={({ place }) => place} columns={[
                    [t("商品", "Product"), (line) => <>{line.name}<small>{line.product_code}</small></>, "wide"],
                    [t("単価", "Price"), ({ unit_price }) => yen(unit_price), "number"],
                    [t("数量", "Quantity"), ({ quantity }) => quantity, "number"],
                    [t("税率", "Tax"), ({ tax_rate }) => `${tax_rate}%`, "number"],
                ]} />
            <Facts facts={[
                [t("送料", "Shipping"), yen(shipping_fee)],
                [t("決済手数料", "Payment fee"), yen(payment_fee)],
                ...totals.by_rate.map(({ tax_rate, net, tax }): [string, string] => [
                    t(`${tax_rate}%対象`, `At ${tax_rate}%`), `${yen(net)} + ${t("税", "tax")} ${yen(tax)}`,
                ]),
                [t("税抜合計", "Net"), yen(totals.net)],
                [t("消費税", "Tax"), yen(totals.tax)],
                [t("税込合計", "Total"), <strong key="total" className="total">{yen(totals.total)}</strong>],
            ]} />
        </>
    );
}

function Payment({ order: { payment, payment_method } }: { order: Admin.Order }) {
    const { t, word } = useShop();
    const method: [string, string] = [t("決済方法", "Method"), word("PaymentMethod", payment_method)];
    if (!payment) return <Facts facts={[method]} />;
    return (
        <>
            <Facts facts={[
                method,
                [t("決済状況", "Status"), <Badge key="status" of="PaymentStatus" value={payment.status} />],
                [t("Paidの金額", "Amount at Paid"), yen(payment.amount)],
                [t("売上確定日", "Fixed on"), payment.fixed_on],
                [t("確定日時", "Confirmed"), time(payment.confirmed_at)],
                [t("キャンセル日時", "Cancelled"), time(payment.cancelled_at)],
                [t("最終確認", "Checked"), time(payment.checked_at)],
                [t("照会番号", "Reference"), <code key="reference">{payment.provider_reference}</code>],
            ]} />
            <LastError error={payment.last_error} />
        </>
    );
}

function History({ id }: { id: string }) {
    const { api } = useShop();
    const log = useLoad((signal) => api.get("/v1/admin/orders/{id}/timeline", { path: { id }, signal }), [api, id]);
    return log.data ? <Timeline entries={log.data.data} /> : <Pending of={log} />;
}
