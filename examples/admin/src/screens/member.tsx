import type { Admin } from "@kakeuri/client";
import { count, time, yen } from "../format.ts";
import { useLoad, useOne } from "../hooks.ts";
import { href } from "../router.ts";
import { useShop } from "../shop.tsx";
import {
    Act, Badge, Card, Facts, Faults, Heading, LastError, Pending, Problem, Reasons, Timeline, Waiting,
} from "../ui/index.ts";

const ACTIONS = ["approve", "reject", "suspend", "reactivate"] as const;

export function MemberScreen({ id }: { id: string }) {
    const { api, t, word, can } = useShop();
    const page = useOne(id, (where) => api.get("/v1/admin/members/{id}", where));
    const { data: member, known, error, reload } = page;
    if (!member) return <Pending of={page} />;
    const submit = () => api.post("/v1/admin/members/{id}/paid/application", known);
    const refresh = () => api.post("/v1/admin/members/{id}/paid/refresh", known);
    const wish = { paid: { application_status: "pending" } } as const;
    return (
        <>
            <Heading up={["#/members", t("会員", "Members")]} title={
                <>{member.company_name} <Badge of="MemberStatus" value={member.status} /></>
            }>
                {can("members:write") && ACTIONS.map((action) => (
                    <Act key={action} on={page} label={word("MemberAction", action)}
                        done={t(`${word("MemberAction", action)}しました。`, `Done: ${word("MemberAction", action)}.`)}
                        call={() => api.post(`/v1/admin/members/{id}/${action}`, known)} />
                ))}
            </Heading>
            <Problem error={error} reload={reload} />
            <Waiting operation={member.paid.open_operation} />
            <div className="columns">
                <div>
                    <Card title={t("会員情報", "Profile")}><Profile member={member} /></Card>
                    {can("events:read") && (
                        <Card title={t("履歴", "History")}><History key={known.ifMatch} id={id} /></Card>
                    )}
                </div>
                <Card title="Paid" tools={can("members:write") && (
                    <>
                        <Act on={page} label={t("申請する", "Submit")} done={t("申請しました。", "Submitted.")}
                            call={submit} className="primary" />
                        <Act on={page} label={t("状態更新", "Refresh")} done={t("状態を更新しました。", "Refreshed.")}
                            call={refresh} />
                        <Act on={page} label={t("申請待ちにする", "Make pending")} done={t("申請待ちにしました。", "Pending.")}
                            call={() => api.patch("/v1/admin/members/{id}", { ...known, body: wish })} />
                    </>
                )}><PaidState key={known.ifMatch} id={id} /></Card>
            </div>
        </>
    );
}

function Profile({ member }: { member: Admin.Member }) {
    const { t, word } = useShop();
    const name = ({ family_name, given_name }: Admin.ContactName) => `${family_name} ${given_name}`.trim();
    const { postal_code, prefecture, city, street, building, founded_year, founded_month, annual_sales } = member;
    const methods = member.payment_methods.map((one) => word("PaymentMethod", one));
    const orders = href("orders", { member_id: member.id });
    return (
        <Facts facts={[
            [t("会員番号", "Number"), member.number],
            [t("会社名カナ", "Reading"), member.company_name_kana],
            [t("代表者", "Representative"), name(member.representative)],
            [t("担当者", "Contact"), name(member.contact)],
            [t("住所", "Address"), `${postal_code} ${prefecture}${city}${street} ${building}`.trim()],
            [t("電話番号", "Phone"), member.phone],
            [t("メール", "E-mail"), member.email],
            [t("設立", "Founded"), [founded_year, founded_month].filter(Boolean).join("-")],
            [t("年商", "Annual sales"), annual_sales && yen(annual_sales)],
            [t("決済方法", "Payment methods"), methods.join(t("、", ", "))],
            [t("受注", "Orders"), <a key="orders" href={orders}>{t("この会員の受注", "Those of this member")}</a>],
            [t("登録", "Created"), time(member.created_at)],
        ]} />
    );
}

/** What Paid says of the member, and why he cannot pay, if he cannot. */
function PaidState({ id }: { id: string }) {
    const { api, t, word, paidCode } = useShop();
    const state = useLoad((signal) => api.get("/v1/admin/members/{id}/paid", { path: { id }, signal }), [api, id]);
    if (!state.data) return <Pending of={state} />;
    const { diagnosis, precheck, age_minutes: age, pattern, ...paid } = state.data;
    const { can_pay, reasons, excluded_products, last_credit_check: check } = diagnosis;
    return (
        <>
            <Facts facts={[
                [t("Paid申請", "Application"), <Badge key="s" of="ApplicationStatus" value={paid.application_status} />],
                [t("Paid顧客番号", "Number at Paid"), paid.customer_number],
                [t("申請日時", "Submitted"), time(paid.submitted_at)],
                [t("最終確認", "Checked"), age !== null && t(`${time(paid.checked_at)}（${count(age)}分前）`,
                    `${time(paid.checked_at)} (${count(age)} min ago)`)],
                [t("申請パターン", "Pattern"), pattern && word("Pattern", pattern)],
            ]} />
            <LastError error={paid.last_error} />
            <section className={can_pay ? "note good" : "note open"} aria-label={t("診断", "Diagnosis")}>
                <strong>{can_pay ? t("Paidで支払えます。", "The member can pay with Paid.") :
                    t("Paidで支払えない理由", "Why the member cannot pay with Paid")}</strong>
                <Reasons reasons={reasons} />
                {precheck.length > 0 && <p>{t("申請前に直す項目", "To be corrected before submitting")}</p>}
                <Faults faults={precheck} />
                {excluded_products.length > 0 && (
                    <p className="faint">{t("Paid対象外の商品: ", "Not for Paid: ")}{excluded_products.join(", ")}</p>
                )}
                {check && (
                    <p className="faint">
                        {t("最後の与信枠チェック: ", "Last credit check: ")}
                        {time(check.at)} {check.outcome} {check.codes.map(paidCode).join(" / ")}
                    </p>
                )}
            </section>
        </>
    );
}

function History({ id }: { id: string }) {
    const { api } = useShop();
    const query = { subject: id, limit: 200 };
    const events = useLoad((signal) => api.get("/v1/admin/events", { query, signal }), [api, id]);
    if (!events.data) return <Pending of={events} />;
    return <Timeline entries={events.data.data.map((event) => ({ ...event, kind: "event" as const }))} />;
}
