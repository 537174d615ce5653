import { ConnectionError, isProblem, isTemporary, type Storefront } from "@kakeuri/client";
import { createContext, type ReactNode, useContext, useEffect, useId, useRef } from "react";
import { held, useKept } from "./kept";
import type { Loaded } from "./load";
import { useShop } from "./shop";
import type { Say, TextKey } from "./texts";

let isFirst = true;

/** A page. Whoever came here from another one is read its title. */
export function Page({ title, lead, children }: { title: string; lead?: string; children?: ReactNode }) {
    const { config } = useShop();
    const heading = useRef<HTMLHeadingElement>(null);
    useEffect(() => {
        document.title = `${title} | ${config.store_name}`;
    }, [title, config]);
    useEffect(() => {
        if (!isFirst) {
            scrollTo(0, 0);
            heading.current?.focus();
        }
        isFirst = false;
    }, []);
    return (
        <>
            <h1 ref={heading} tabIndex={-1}>{title}</h1>
            {lead && <p className="lead">{lead}</p>}
            {children}
        </>
    );
}

const said = held<{ text: string; at: number } | null>(null);

/** Tells the visitor that something was done; a screen reader reads it out. */
export function announce(text: string): void {
    said.set({ text, at: performance.now() });
}

/** How long it stands there, in milliseconds. */
const TOAST = 3000;

export function Toast() {
    const message = useKept(said);
    useEffect(() => {
        if (!message) return;
        const timer = setTimeout(() => said.set(null), TOAST);
        return () => clearTimeout(timer);
    }, [message]);
    return <div className="toast" role="status">{message && <p key={message.at}>{message.text}</p>}</div>;
}

type NoticeProps = { tone?: "plain" | "good" | "warn" | "bad"; title: string; children?: ReactNode };

export function Notice({ tone = "plain", title, children }: NoticeProps) {
    return (
        <div className={`notice ${tone}`} role={tone === "bad" || tone === "warn" ? "alert" : undefined}>
            <p className="title">{title}</p>
            {children}
        </div>
    );
}

/** What went wrong, in the service's words, and a way to try again where that may help. */
export function Trouble({ t, error, retry }: { t: Say; error: unknown; retry?: (() => void) | undefined }) {
    const again = retry && isTemporary(error) && (
        <button type="button" className="quiet" onClick={retry}>{t("retry")}</button>
    );
    if (error instanceof ConnectionError) {
        return <Notice tone="bad" title={t("noAnswer")}><p>{t("noAnswerDetail")}</p>{again}</Notice>;
    }
    if (!isProblem(error)) return <Notice tone="bad" title={t("unexpected")}><p>{String(error)}</p></Notice>;
    return (
        <Notice tone="bad" title={error.title}>
            <p>{error.detail}</p>
            <Reasons reasons={error.reasons} />
            {error.status >= 500 && <p className="small">{t("requestId")}: <code>{error.requestId}</code></p>}
            {again}
        </Notice>
    );
}

export function Reasons({ reasons }: { reasons: Storefront.Reason[] }) {
    if (reasons.length === 0) return null;
    return <ul className="reasons">{reasons.map(({ code, message }) => <li key={code}>{message}</li>)}</ul>;
}

/** What is loaded, or that it is on its way, or why it did not come. */
export function Shown<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ReactNode }) {
    const { t } = useShop();
    return (
        <>
            {of.error !== undefined && <Trouble t={t} error={of.error} retry={of.reload} />}
            {of.data !== undefined && children(of.data)}
            {of.data === undefined && of.isLoading && <Loading t={t} />}
        </>
    );
}

export function Loading({ t }: { t: Say }) {
    return <p className="loading" role="status">{t("loading")}</p>;
}

type ButtonProps = { isRunning: boolean; running?: string; children: ReactNode };

/** What sends a form. While it is being sent it keeps the focus, and does nothing. */
export function Submit({ isRunning, running, children }: ButtonProps) {
    return (
        <button type="submit" className="primary" aria-disabled={isRunning} aria-busy={isRunning}>
            {isRunning && running ? running : children}
        </button>
    );
}

const FaultContext = createContext<Record<string, string[]>>({});

/** A form whose fields show what the service says of them: by JSON pointer, which is also their name. */
type FormProps = { error: unknown; label: string; onSend: (form: FormData) => void; children: ReactNode };

export function Form({ error, label, onSend, children }: FormProps) {
    const { t } = useShop();
    const form = useRef<HTMLFormElement>(null);
    const faults = faultsOf(error);
    const wrong = Object.keys(faults).length;
    useEffect(() => {
        if (error !== undefined) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
    }, [error]);
    return (
        <form ref={form} aria-label={label} noValidate onSubmit={(event) => {
            event.preventDefault();
            onSend(new FormData(event.currentTarget));
        }}>
            {wrong > 0 && <Notice tone="bad" title={t("wrongFields", { n: wrong })} />}
            {wrong === 0 && error !== undefined && <Trouble t={t} error={error} />}
            <FaultContext value={faults}>{children}</FaultContext>
        </form>
    );
}

function faultsOf(error: unknown): Record<string, string[]> {
    if (isProblem(error, "email_taken")) return { "/email": [error.detail] };
    return isProblem(error) ? error.fieldErrors() : {};
}

export type FieldName = Extract<TextKey, `/${string}`>;
type FieldProps = {
    name: FieldName;
    type?: "text" | "email" | "tel" | "url" | "password" | "number" | "area";
    value?: string;
    required?: boolean;
    hint?: string;
    autoComplete?: string;
    onInput?: (value: string) => void;
};

export function Field({ name, type = "text", value = "", required, hint, autoComplete = "off", onInput }: FieldProps) {
    const { t } = useShop();
    const id = useId();
    const faults = useContext(FaultContext)[name];
    const about = [hint && `${id}-hint`, faults && `${id}-fault`].filter(Boolean).join(" ");
    const given = {
        id,
        name,
        defaultValue: value,
        autoComplete,
        "aria-required": required === true,
        "aria-invalid": faults !== undefined,
        ...(about && { "aria-describedby": about }),
        ...(onInput && { onChange: (event: { target: { value: string } }) => onInput(event.target.value) }),
    };
    const number = { type: "text", inputMode: "numeric" as const };
    return (
        <div className={type === "area" ? "field wide" : "field"}>
            <label htmlFor={id}>
                {t(name)}
                {required && <span className="required" aria-hidden="true">{t("required")}</span>}
            </label>
            {type === "area"
                ? <textarea {...given} rows={3} />
                : <input {...given} {...(type === "number" ? number : { type })} />}
            {hint && <p id={`${id}-hint`} className="hint">{hint}</p>}
            {faults && <p id={`${id}-fault`} className="fault">{faults.join(" ")}</p>}
        </div>
    );
}

type Sums = { totals: Storefront.Totals; shipping_fee?: number; payment_fee?: number };

/** Every sum comes from the service. */
export function Totals({ totals, shipping_fee = 0, payment_fee = 0 }: Sums) {
    const { t, yen } = useShop();
    return (
        <dl className="totals">
            {shipping_fee !== 0 && <div><dt>{t("shippingFee")}</dt><dd>{yen(shipping_fee)}</dd></div>}
            {payment_fee !== 0 && <div><dt>{t("paymentFee")}</dt><dd>{yen(payment_fee)}</dd></div>}
            <div><dt>{t("net")}</dt><dd>{yen(totals.net)}</dd></div>
            {totals.by_rate.map(({ tax_rate, net, tax }) => (
                <div key={tax_rate}>
                    <dt>{t("taxOf", { rate: tax_rate, net: yen(net) })}</dt>
                    <dd>{yen(tax)}</dd>
                </div>
            ))}
            <div className="total"><dt>{t("total")}</dt><dd>{yen(totals.total)}</dd></div>
        </dl>
    );
}
