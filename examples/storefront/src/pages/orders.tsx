import type { Storefront } from "@kakeuri/client";
import { useCallback } from "react";
import { addToCart } from "../cart";
import { type Load, useLoad, usePages } from "../load";
import { Page, Shown, Totals } from "../parts";
import { go } from "../route";
import { useShop } from "../shop";

export function OrdersPage() {
    const { t, api, yen, time, label } = useShop();
    const load = useCallback(
        (signal: AbortSignal, cursor: { cursor?: string }) =>
            api.get("/v1/storefront/orders", { query: { limit: 20, ...cursor }, signal }),
        [api],
    );
    const orders = usePages(load);
    return (
        <Page title={t("orders")}>
            <Shown of={orders}>
                {({ data }) => data.length === 0 ? <p className="empty">{t("noOrders")}</p> : (
                    <ul className="orders">
                        {data.map((order) => (
                            <li key={order.id}>
                                <a className="card" href={`#/orders/${order.id}`}>
                                    <span className="number">{t("order", { number: order.number })}</span>
                                    <time dateTime={order.placed_at}>{time(order.placed_at)}</time>
                                    <span>{label("PaymentMethod", order.payment_method)}</span>
                                    <span className="tags"><States order={order} /></span>
                                    <strong>{yen(order.totals.total)}</strong>
                                </a>
                            </li>
                        ))}
                    </ul>
                )}
            </Shown>
            {orders.more && (
                <p className="more">
                    <button type="button" className="quiet" onClick={orders.more}>{t("more")}</button>
                </p>
            )}
        </Page>
    );
}

function States({ order }: { order: Storefront.Order }) {
    const { label } = useShop();
    const isPlaced = order.payment?.status !== "processing" && order.payment?.status !== "failed";
    return (
        <>
            {order.payment && (
                <span className={`tag ${order.payment.status}`}>
                    {label("PaymentStatus", order.payment.status)}
                </span>
            )}
            {isPlaced && <span className="tag">{label("HandlingStatus", order.handling_status)}</span>}
        </>
    );
}

type Look = { order: Storefront.Order; isLate: boolean };

export function OrderPage({ id, isNew }: { id: string; isNew: boolean }) {
    const { t, api } = useShop();
    // Follows the order as long as Paid has not answered, also after a reload.
    const load = useCallback<Load<Look>>(
        async (signal, show) => {
            const call = api.get("/v1/storefront/orders/{id}", { path: { id }, signal });
            let order = await call;
            const onUpdate = (current: Storefront.Order) => {
                order = current;
                show({ order, isLate: false });
            };
            onUpdate(order);
            try {
                return { order: await call.follow({ signal, onUpdate }), isLate: false };
            } catch (error) {
                if (error instanceof DOMException && error.name === "TimeoutError") return { order, isLate: true };
                throw error;
            }
        },
        [api, id],
    );
    const look = useLoad(load);
    const number = look.data?.order.number;
    return (
        <Page title={number ? t("order", { number }) : t("orderPlain")}>
            <Shown of={look}>
                {({ order, isLate }) => (
                    <>
                        <div aria-live="polite">
                            <Outcome order={order} isNew={isNew} isLate={isLate} again={look.reload} />
                        </div>
                        <Details order={order} />
                    </>
                )}
            </Shown>
            <p className="beside"><a href="#/orders">{t("backToOrders")}</a></p>
        </Page>
    );
}

type OutcomeProps = Look & { isNew: boolean; again: () => void };

function Outcome({ order, isNew, isLate, again }: OutcomeProps) {
    const { t } = useShop();
    const status = order.payment?.status;
    const putBack = () => {
        const again = order.lines.map(({ product_code: code, quantity }) => code && { product_code: code, quantity });
        addToCart(again.filter((line) => line !== undefined && line !== ""));
        go("/cart");
    };
    if (status === "processing") {
        return (
            <section className="outcome waiting">
                <h2>{t("waiting")}</h2>
                <ol className="steps">
                    <li className="done">{t("stepReceived")}</li>
                    <li className="now" aria-current="step">{t("stepChecked")}</li>
                    <li>{t("stepPlaced")}</li>
                </ol>
                <p>{t(isLate ? "late" : "waitingDetail")}</p>
                {isLate && <button type="button" className="quiet" onClick={again}>{t("lookAgain")}</button>}
            </section>
        );
    }
    if (status === "failed") {
        return (
            <section className="outcome failed">
                <h2>{t("failed")}</h2>
                <p>{t("failedDetail")}</p>
                <button type="button" className="primary" onClick={putBack}>{t("orderAgain")}</button>
            </section>
        );
    }
    if (order.cancelled_at) return <section className="outcome"><h2>{t("cancelled")}</h2></section>;
    if (!isNew) return null;
    return <section className="outcome placed"><h2>{t("thanks")}</h2><p>{t("thanksDetail")}</p></section>;
}

function Details({ order }: { order: Storefront.Order }) {
    const { t, yen, time, label } = useShop();
    return (
        <div className="columns">
            <section className="card" aria-labelledby="lines">
                <h2 id="lines">{t("lines")}</h2>
                <table>
                    <thead>
                        <tr>
                            <th scope="col">{t("product")}</th>
                            <th scope="col" className="amount">{t("unitPrice")}</th>
                            <th scope="col" className="amount">{t("quantity")}</th>
                        </tr>
                    </thead>
                    <tbody>
                        {order.lines.map((line, n) => (
                            <tr key={n}>
                                <th scope="row">
                                    {line.name} <span className="small">{t("taxRate", { n: line.tax_rate })}</span>
                                </th>
                                <td className="amount">{yen(line.unit_price)}</td>
                                <td className="amount">{line.quantity}</td>
                            </tr>
                        ))}
                    </tbody>
                </table>
                {order.note && <><h3>{t("note")}</h3><p className="note">{order.note}</p></>}
            </section>
            <section className="card summary" aria-labelledby="summary">
                <h2 id="summary">{t("summary")}</h2>
                <dl className="facts">
                    <div><dt>{t("placedAt")}</dt><dd>{time(order.placed_at)}</dd></div>
                    <div><dt>{t("payment")}</dt><dd>{label("PaymentMethod", order.payment_method)}</dd></div>
                    <div><dt>{t("state")}</dt><dd className="tags"><States order={order} /></dd></div>
                </dl>
                <Totals totals={order.totals} shipping_fee={order.shipping_fee} payment_fee={order.payment_fee} />
            </section>
        </div>
    );
}
