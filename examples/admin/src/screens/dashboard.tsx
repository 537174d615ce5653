import type { ReactNode } from "react";
import { count, time, yen } from "../format.ts";
import { useLoad } from "../hooks.ts";
import { href } from "../router.ts";
import { useShop } from "../shop.tsx";
import { Badge, Card, Heading, Pending, Problem } from "../ui/index.ts";

export function DashboardScreen() {
    const { api, t, word } = useShop();
    const summary = useLoad((signal) => api.get("/v1/admin/summary", { signal }), [api]);
    if (!summary.data) return <Pending of={summary} />;
    const { orders, payments, unconfirmed, mismatches, reconciliation, members, paid, open_jobs } = summary.data;
    const pieces = (value: number) => t(`${count(value)}件`, count(value));
    const since = unconfirmed.oldest && `${t("最古", "since")} ${time(unconfirmed.oldest.since)}`;
    return (
        <>
            <Heading title={t("ダッシュボード", "Dashboard")} reload={summary.reload} />
            <Problem error={summary.error} reload={summary.reload} />
            <div className="tiles">
                <Tile name={t("本日の受注", "Orders today")} value={yen(orders.today.total)}
                    below={pieces(orders.today.count)} to={href("orders", { placed_from: orders.today.from })} />
                <Tile name={t("今月の受注", "Orders this month")} value={yen(orders.this_month.total)}
                    below={pieces(orders.this_month.count)}
                    to={href("orders", { placed_from: orders.this_month.from })} />
                <Tile name={t("未確定の決済", "Unconfirmed")} value={yen(unconfirmed.amount)}
                    below={[pieces(unconfirmed.count), since].filter(Boolean).join(" · ")}
                    to={href("orders", { payment_status: "unconfirmed" })} />
                <Tile name={t("要確認", "Needs a human")} value={pieces(reconciliation.count)}
                    below={`${t("金額の差", "difference")} ${yen(mismatches.difference)}`} to={href("reconciliation")}
                    isAlert={reconciliation.count > 0} />
            </div>
            <div className="columns even">
                <Lines title={t("決済の状況", "Payments")} lines={payments.map(({ status, count, amount }) => [
                    <Badge key="status" of="PaymentStatus" value={status} />,
                    href("orders", { payment_status: status }), pieces(count), yen(amount),
                ])} />
                <Lines title={t("Paid申請の状況", "Applications")} lines={members.applications.map(({ status, count }) => [
                    status === "none" ? t("申請なし", "none") : <Badge key="s" of="ApplicationStatus" value={status} />,
                    href("members", { application_status: status }), pieces(count),
                ])} />
                <Lines title={t("要確認の内訳", "What needs a human")} lines={reconciliation.causes
                    .filter(({ count }) => count > 0)
                    .map(({ code, count }) => [word("Cause", code), href("reconciliation"), pieces(count)])} />
                <Lines title={t("会員とPaid", "Members and Paid")} lines={[
                    [t("会員数", "Members"), href("members"), pieces(members.count)],
                    [word("MemberStatus", "pending_approval"), href("members", { status: "pending_approval" }),
                        pieces(members.pending_approval)],
                    [t("実行中の一括処理", "Jobs under way"), href("jobs"), pieces(open_jobs)],
                    [t("Paidとの接続", "Connection to Paid"), href("settings"),
                        <Badge key="health" of="Health" value={paid.health} />],
                    [t("接続の最終確認", "Connection checked"), href("settings"), time(paid.checked_at)],
                ]} />
            </div>
        </>
    );
}

type TileProps = { name: string; value: string; below: string; to: string; isAlert?: boolean };

function Tile({ name, value, below, to, isAlert = false }: TileProps) {
    return (
        <a className={isAlert ? "tile alert" : "tile"} href={to}>
            <span>{name}</span> <strong>{value}</strong> <small>{below}</small>
        </a>
    );
}

function Lines({ title, lines }: { title: string; lines: [name: ReactNode, to: string, ...values: ReactNode[]][] }) {
    const { t } = useShop();
    return (
        <Card title={title}>
            {!lines.length && <p className="faint">{t("ありません。", "Nothing.")}</p>}
            <ul className="lines">
                {lines.map(([name, to, ...values], place) => (
                    <li key={place}>
                        <a href={to}>{name}</a>
                        {values.map((value, place) => <span key={place} className="number">{value}</span>)}
                    </li>
                ))}
            </ul>
        </Card>
    );
}
