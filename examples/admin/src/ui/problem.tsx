import { type Admin, ConnectionError, isProblem } from "@kakeuri/client";
import type { ReactNode } from "react";
import { useShop } from "../shop.tsx";

/** Is the fault that of a field, or of a part of it? */
export const isAbout = (field: string, pointer: string) => pointer === field || pointer.startsWith(`${field}/`);

export function Faults({ faults }: { faults: Admin.Fault[] }) {
    if (!faults.length) return null;
    return (
        <ul className="faults">
            {faults.map(({ pointer, column, message, paid_code }) => (
                <li key={pointer + message}>
                    <code>{column ?? pointer}</code> {message} {paid_code && <code>{paid_code}</code>}
                </li>
            ))}
        </ul>
    );
}

export function Reasons({ reasons }: { reasons: Admin.Reason[] }) {
    return reasons.length > 0 && <ul>{reasons.map(({ code, message }) => <li key={code}>{message}</li>)}</ul>;
}

type Props = { error: unknown; reload?: (() => void) | undefined; placed?: string[] };

/** What went wrong, in the service's words; without the faults that stand beside their fields (`placed`). */
export function Problem({ error, reload, placed = [] }: Props) {
    const { t, paidCode } = useShop();
    if (error === undefined) return null;
    if (!isProblem(error)) {
        const lost = t("サーバーから応答がありません。", "The service does not answer.");
        const isLost = error instanceof ConnectionError || !(error instanceof Error);
        return <Box title={isLost ? lost : error.message} reload={reload} />;
    }
    const { title, detail, code, errors, reasons, paidCodes, requestId } = error;
    const isOld = isProblem(error, "stale", "amount_mismatch", "unknown");
    return (
        <Box title={title} reload={isOld ? reload : undefined}>
            {detail !== title && <p>{detail}</p>}
            <Reasons reasons={reasons} />
            {paidCodes.length > 0 && <p>{paidCodes.map(paidCode).join(" / ")}</p>}
            <Faults faults={errors.filter(({ pointer }) => !placed.some((field) => isAbout(field, pointer)))} />
            {code === "second_factor_not_set_up" && <a href="#/account">{t("二段階認証の設定へ", "Set it up")}</a>}
            <p className="faint"><code>{code}</code> · {requestId}</p>
        </Box>
    );
}

function Box({ title, reload, children }: { title: string; reload: (() => void) | undefined; children?: ReactNode }) {
    const { t } = useShop();
    return (
        <div className="problem" role="alert">
            <strong>{title}</strong>
            {children}
            {reload && <button type="button" onClick={reload}>{t("最新の内容を読み込む", "Load what is there now")}</button>}
        </div>
    );
}

/** What is shown until there is something to show. */
export function Pending({ of: { error, reload } }: { of: { error: unknown; reload?: () => void } }) {
    const { t } = useShop();
    if (error !== undefined) return <Problem error={error} reload={reload} />;
    return <p className="faint" aria-busy="true">{t("読み込み中…", "Loading…")}</p>;
}
