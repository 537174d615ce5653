import { isProblem, isTemporary, type Storefront } from "@kakeuri/client";
import { useCallback, useId, useState } from "react";
import { Art } from "../art";
import { cart, forgetKey, keyOf, setQuantity, takeOut } from "../cart";
import { useKept } from "../kept";
import { type Loaded, useAction, useLoad } from "../load";
import { announce, Notice, Page, Reasons, Shown, Submit, Totals, Trouble } from "../parts";
import { Quantity } from "../quantity";
import { go } from "../route";
import { useShop } from "../shop";

type Products = Map<string, Storefront.Product>;

export function CartPage() {
    const { t, isLoggedIn } = useShop();
    const lines = useKept(cart);
    const products = useProducts(lines);
    if (lines.length === 0) {
        return (
            <Page title={t("cart")}>
                <p className="empty">{t("cartEmpty")}</p>
                <p><a className="button" href="#/">{t("toProducts")}</a></p>
            </Page>
        );
    }
    return (
        <Page title={t("cart")}>
            <Shown of={products}>
                {(known) => isLoggedIn ? <Checkout lines={lines} known={known} /> : (
                    <div className="columns">
                        <Lines lines={lines} known={known} faults={{}} />
                        <section className="card summary" aria-labelledby="summary">
                            <h2 id="summary">{t("summary")}</h2>
                            <p>{t("logInToOrder")}</p>
                            <p className="actions">
                                <a className="button" href="#/log-in/cart">{t("logIn")}</a>
                                <a href="#/register">{t("register")}</a>
                            </p>
                        </section>
                    </div>
                )}
            </Shown>
        </Page>
    );
}

/** What is in the cart, as the shop sells it now. */
function useProducts(lines: Storefront.CartLine[]): Loaded<Products> {
    const { api } = useShop();
    const codes = lines.map((line) => line.product_code).join("\n");
    const load = useCallback(
        async (signal: AbortSignal) => {
            const wanted = new Set(codes.split("\n"));
            const found: Products = new Map();
            for await (const product of api.each("/v1/storefront/products", { query: { limit: 200 }, signal })) {
                if (wanted.has(product.code)) found.set(product.code, product);
                if (found.size === wanted.size) break;
            }
            return found;
        },
        [api, codes],
    );
    return useLoad(load);
}

type LinesProps = { lines: Storefront.CartLine[]; known: Products; faults: Record<string, string[]> };

function Lines({ lines, known, faults }: LinesProps) {
    const { t, yen } = useShop();
    return (
        <ul className="lines card">
            {lines.map(({ product_code: code, quantity }, n) => {
                const product = known.get(code);
                const name = product?.name ?? code;
                const fault = ["product_code", "quantity"].flatMap((field) => faults[`/lines/${n}/${field}`] ?? []);
                return (
                    <li key={code}>
                        <Art code={code} name={name} />
                        <div className="what">
                            <h2>{name}</h2>
                            <p className="small">
                                {product && <>{yen(product.unit_price)} {t("withoutTax")}</>}
                                {product && !product.paid_allowed && (
                                    <span className="tag warn">{t("notOnAccount")}</span>
                                )}
                            </p>
                            {fault.length > 0 && <p className="fault" role="alert">{fault.join(" ")}</p>}
                        </div>
                        <Quantity name={name} value={quantity} onChange={(next) => setQuantity(code, next)} />
                        <button type="button" className="bare" aria-label={t("takeOutOf", { name })} onClick={() => {
                            takeOut(code);
                            announce(t("taken", { name }));
                            document.getElementById("main")?.focus();
                        }}>{t("takeOut")}</button>
                    </li>
                );
            })}
        </ul>
    );
}

function Checkout({ lines, known }: { lines: Storefront.CartLine[]; known: Products }) {
    const { t, api } = useShop();
    const load = useCallback(
        (signal: AbortSignal) => api.post("/v1/storefront/orders/quote", { body: { lines }, signal }),
        [api, lines],
    );
    const quote = useLoad(load);
    const faults = isProblem(quote.error, "invalid") ? quote.error.fieldErrors() : {};
    // What was quoted before is not what is in the cart now.
    const shown = quote.error === undefined ? quote : { ...quote, data: undefined };
    return (
        <div className="columns">
            <Lines lines={lines} known={known} faults={faults} />
            <section className="card summary" aria-labelledby="summary" aria-busy={quote.isLoading}>
                <h2 id="summary">{t("summary")}</h2>
                <Shown of={shown}>
                    {(quoted) => (
                        <OrderForm lines={lines} quote={quoted} isFresh={!quote.isLoading} again={quote.reload} />
                    )}
                </Shown>
            </section>
        </div>
    );
}

type OrderFormProps = { lines: Storefront.CartLine[]; quote: Storefront.Quote; isFresh: boolean; again: () => void };

function OrderForm({ lines, quote, isFresh, again }: OrderFormProps) {
    const { t, api, yen } = useShop();
    const id = useId();
    const { totals, payment_methods: methods } = quote;
    const [chosen, setChosen] = useState<Storefront.PaymentMethod>();
    const [note, setNote] = useState("");
    const [tried, setTried] = useState<Storefront.CartLine[]>();
    const usable = methods.filter(({ available }) => available).map(({ method }) => method);
    const method = chosen && usable.includes(chosen) ? chosen : usable[0];
    const { run, isRunning, error } = useAction(async () => {
        if (!method || !isFresh) return;
        setTried(lines);
        const body: Storefront.OrderIn = {
            payment_method: method,
            lines,
            expected_total: totals.total,
            ...(note.trim() && { note: note.trim() }),
        };
        try {
            const order = await api.post("/v1/storefront/orders", { body, idempotencyKey: keyOf(body) });
            forgetKey();
            cart.set([]);
            go(`/orders/${order.id}/new`);
        } catch (error) {
            if (isProblem(error) && !isTemporary(error)) {
                forgetKey();
                again();
            }
            throw error;
        }
    });
    return (
        <form aria-label={t("summary")} onSubmit={(event) => {
            event.preventDefault();
            run();
        }}>
            <div aria-live="polite" className={isFresh ? "" : "stale"}><Totals totals={totals} /></div>
            <fieldset className="methods">
                <legend>{t("payment")}</legend>
                {methods.map((offered) => (
                    <Method key={offered.method} offered={offered} isChosen={offered.method === method}
                        onChoose={setChosen} />
                ))}
            </fieldset>
            <div className="field">
                <label htmlFor={id}>{t("note")}</label>
                <textarea id={id} rows={2} value={note} onChange={(event) => setNote(event.target.value)} />
            </div>
            {error !== undefined && tried === lines && (
                <Refused error={error} total={isFresh ? yen(totals.total) : undefined} />
            )}
            {method && (
                <Submit isRunning={isRunning || !isFresh} running={isRunning ? t("placing") : t("loading")}>
                    {t("placeFor", { total: yen(totals.total) })}
                </Submit>
            )}
            <p className="small" role="status">{isRunning && t("placing")}</p>
        </form>
    );
}

type MethodProps = {
    offered: Storefront.PaymentMethodAvailability;
    isChosen: boolean;
    onChoose: (method: Storefront.PaymentMethod) => void;
};

function Method({ offered: { method, available, reasons }, isChosen, onChoose }: MethodProps) {
    const { label } = useShop();
    const id = useId();
    return (
        <div className="method">
            <input type="radio" id={id} name="method" checked={isChosen} disabled={!available}
                aria-describedby={reasons.length > 0 ? `${id}-why` : undefined} onChange={() => onChoose(method)} />
            <label htmlFor={id}>{label("PaymentMethod", method)}</label>
            {reasons.length > 0 && <div id={`${id}-why`}><Reasons reasons={reasons} /></div>}
        </div>
    );
}

function Refused({ error, total }: { error: unknown; total: string | undefined }) {
    const { t } = useShop();
    if (isProblem(error, "credit_declined")) {
        return (
            <Notice tone="warn" title={error.title}>
                <p>{error.detail}</p>
                <p>{t("declinedAdvice")}</p>
            </Notice>
        );
    }
    if (isProblem(error, "price_changed")) {
        return (
            <Notice tone="warn" title={error.title}>
                <p>{error.detail}</p>
                {total && <p><strong>{t("newTotal", { total })}</strong></p>}
            </Notice>
        );
    }
    return <Trouble t={t} error={error} />;
}
