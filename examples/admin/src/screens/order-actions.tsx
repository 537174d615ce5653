import { type Admin, isProblem } from "@kakeuri/client";
import { useState } from "react";
import { yen } from "../format.ts";
import { useShop } from "../shop.tsx";
import { Ask, Check, Choices, Facts, Field, Reason, Select, TextArea } from "../ui/index.ts";

type Known = { path: { id: string }; ifMatch: string | undefined };
type Props = { order: Admin.Order; known: Known; reload: () => void };

/** Says how a call has ended, or that it has not yet. */
function useSettled({ reload }: Props) {
    const { notify, t } = useShop();
    return ({ payment }: Admin.Order, done: string) => {
        const waits = t("受け付けました。Paidの応答を待っています。", "Taken. Paid has not answered yet.");
        notify(payment?.open_operation ? waits : done);
        reload();
    };
}

export function Confirm(props: Props) {
    const { order: { payment, totals }, known, reload } = props;
    const { api, t, word } = useShop();
    const settled = useSettled(props);
    const [hasDiffered, setDiffered] = useState(false);
    const amount = payment?.amount ?? totals.total;
    return (
        <Ask button={word("PaymentAction", "confirm")} className="primary" reload={reload}
            label={t(`${yen(amount)}で確定する`, `Confirm ${yen(amount)}`)}
            submit={async (form) => {
                const [fixed_on, accept_mismatch] = [form.orNull("/fixed_on"), form.isChecked("/accept_mismatch")];
                const body = { expected_amount: amount, fixed_on, accept_mismatch };
                const answer = api.post("/v1/admin/orders/{id}/payment/confirm", { ...known, body });
                answer.catch((error: unknown) => isProblem(error, "amount_mismatch") && setDiffered(true));
                settled(await answer, t("売上を確定しました。", "Confirmed."));
            }}>
            <Facts facts={[
                [t("Paidの金額", "Amount at Paid"), yen(amount)],
                [t("受注の税込合計", "Total of the order"), yen(totals.total)],
            ]} />
            {(hasDiffered || payment?.amount_mismatch) && (
                <Check name="/accept_mismatch" label={t("金額の差を承知のうえで確定する", "Confirm though they differ")} />
            )}
            <Field name="/fixed_on" type="date" label={t("売上確定日", "Fixed on")}
                hint={t("空欄は本日", "Today where left blank")} />
        </Ask>
    );
}

export function Change(props: Props) {
    const { order, known, reload } = props;
    const { api, t, choices } = useShop();
    const settled = useSettled(props);
    return (
        <Ask button={t("受注を変更", "Change")} label={t("変更を保存", "Save")} reload={reload} submit={async (form) => {
            const lines = order.lines.map((line, place) => {
                return { ...line, quantity: form.number(`/lines/${place}/quantity`) ?? 0 };
            });
            const isAnother = lines.some(({ quantity }, place) => quantity !== order.lines[place]?.quantity);
            const [shipping_fee, follows] = [form.number("/shipping_fee"), form.text("/update_paid_amount")];
            const body = {
                ...(isAnother && { lines }),
                ...(shipping_fee !== order.shipping_fee && { shipping_fee }),
                ...(follows && { update_paid_amount: follows === "true" }),
                handling_status: form.text("/handling_status") as Admin.HandlingStatus,
                internal_note: form.text("/internal_note"),
            };
            const answer = await api.patch("/v1/admin/orders/{id}", { ...known, body });
            settled(answer, t("受注を変更しました。", "Changed."));
        }}>
            {order.lines.map(({ name, quantity, unit_price }, place) => (
                <Field key={place} name={`/lines/${place}/quantity`} type="number" defaultValue={quantity}
                    label={t(`${name}の数量`, `Quantity of ${name}`)} hint={yen(unit_price)} />
            ))}
            <Field name="/shipping_fee" type="number" label={t("送料（税抜）", "Shipping fee (without tax)")}
                defaultValue={order.shipping_fee} />
            {order.payment && (
                <Choices name="/update_paid_amount" type="radio" label={t("Paidの金額", "Amount at Paid")}
                    hint={t("明細や送料を変更するときに選びます。", "To be chosen where lines or fees change.")} choices={[
                        { value: "true", label: t("受注に合わせて変更する", "changes along") },
                        { value: "false", label: t("変更しない", "stays") },
                    ]} />
            )}
            <Select name="/handling_status" label={t("対応状況", "Handling")} choices={choices("HandlingStatus")}
                chosen={order.handling_status} />
            <TextArea name="/internal_note" label={t("社内メモ", "Internal note")} defaultValue={order.internal_note} />
        </Ask>
    );
}

export function CancelOrder(props: Props) {
    const { order: { payment }, known, reload } = props;
    const { api, t } = useShop();
    const settled = useSettled(props);
    return (
        <Ask button={t("受注取消", "Cancel order")} label={t("受注を取り消す", "Cancel the order")} isGrave reload={reload}
            submit={async (form) => {
                const [reason, cancel_payment] = [form.text("/reason"), form.isChecked("/cancel_payment")];
                const body = { reason, ...(payment && { cancel_payment }) };
                const answer = await api.post("/v1/admin/orders/{id}/cancel", { ...known, body });
                settled(answer, t("受注を取り消しました。", "The order is cancelled."));
            }}>
            {payment && (
                <Check name="/cancel_payment" label={t("Paidの決済もキャンセルする", "Give up the sale at Paid too")}
                    defaultChecked />
            )}
            <Reason />
        </Ask>
    );
}

export function CancelPayment(props: Props) {
    const { known, reload } = props;
    const { api, t } = useShop();
    const settled = useSettled(props);
    return (
        <Ask button={t("決済キャンセル", "Cancel payment")} label={t("決済をキャンセルする", "Cancel the payment")} isGrave
            reload={reload} submit={async (form) => {
                const body = { reason: form.text("/reason") };
                const answer = await api.post("/v1/admin/orders/{id}/payment/cancel", { ...known, body });
                settled(answer, t("決済をキャンセルしました。", "The payment is cancelled."));
            }}>
            <p>{t("受注は残ります。", "The order stays.")}</p>
            <Reason />
        </Ask>
    );
}
