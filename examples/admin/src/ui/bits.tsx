import { type ReactNode, useState } from "react";
import { useShop } from "../shop.tsx";

type HeadingProps = { title: ReactNode; up?: [to: string, name: string]; reload?: () => void; children?: ReactNode };

export function Heading({ title, up, reload, children }: HeadingProps) {
    const { t } = useShop();
    return (
        <header className="heading">
            <div>
                {up && <a className="up" href={up[0]}>‹ {up[1]}</a>}
                <h1>{title}</h1>
            </div>
            <div className="tools">
                {children}
                {reload && <button type="button" onClick={reload}>{t("更新", "Refresh")}</button>}
            </div>
        </header>
    );
}

export function Card({ title, tools, children }: { title: string; tools?: ReactNode; children: ReactNode }) {
    return (
        <section className="card" aria-label={title}>
            <header>
                <h2>{title}</h2>
                {tools && <div className="tools">{tools}</div>}
            </header>
            {children}
        </section>
    );
}

export function Facts({ facts }: { facts: [string, ReactNode][] }) {
    return (
        <dl className="facts">
            {facts.map(([name, value]) => (
                <div key={name}>
                    <dt>{name}</dt>
                    <dd>{value === 0 || value ? value : "—"}</dd>
                </div>
            ))}
        </dl>
    );
}

// How a label looks. What may be done is for the service to say.
const TONES = Object.entries({
    good: "active approved_active confirmed completed succeeded ok delivered live",
    busy: "pending pending_approval submitted under_review processing queued running in_progress cancelling invited",
    open: "unconfirmed approved_inactive unknown skipped",
    bad: "rejected suspended declined failed refused auth_failed unreachable stuck",
}).flatMap(([tone, values]) => values.split(" ").map((value): [string, string] => [value, tone]));
const TONE_OF = new Map(TONES);

/** The label of a value, as the service words it. */
export function Badge({ of, value }: { of: string; value: string }) {
    const { word } = useShop();
    const label = word(of, value);
    return label === "—" ? label : <span className={`badge ${TONE_OF.get(value) ?? "plain"}`}>{label}</span>;
}

/** What is shown once. */
export function Secret({ label, value }: { label: string; value: string }) {
    const { t } = useShop();
    const [isCopied, setCopied] = useState(false);
    const copy = () => navigator.clipboard.writeText(value).then(() => setCopied(true), () => undefined);
    return (
        <div className="secret">
            <p>{t("一度だけ表示されます。今すぐ保管してください。", "This is shown once. Keep it now.")}</p>
            <strong>{label}</strong>
            <output aria-label={label}>{value}</output>
            <button type="button" onClick={copy}>{isCopied ? t("コピー済み", "Copied") : t("コピー", "Copy")}</button>
        </div>
    );
}

export function LanguageSwitch() {
    const { language, setLanguage } = useShop();
    const [other, name] = language === "ja" ? (["en", "English"] as const) : (["ja", "日本語"] as const);
    return <button type="button" className="quiet" lang={other} onClick={() => setLanguage(other)}>{name}</button>;
}
