import type { Admin } from "@kakeuri/client";
import { time } from "../format.ts";
import { useShop } from "../shop.tsx";

/** What Paid has said last, where it refused. */
export function LastError({ error }: { error: Admin.LastError | null }) {
    const { paidCode } = useShop();
    if (!error) return null;
    return (
        <div className="note bad">
            <strong>{error.message}</strong>
            <p>{error.codes.map(paidCode).join(" / ")}</p>
            <p className="faint">{time(error.at)}</p>
        </div>
    );
}

/** That Paid has not answered yet. */
export function Waiting({ operation }: { operation: Admin.OpenOperation | null | undefined }) {
    const { t, word } = useShop();
    if (!operation) return null;
    const { action, state, started_at, next_try_at } = operation;
    const isStuck = state === "stuck";
    return (
        <div className={isStuck ? "note bad" : "note busy"} role="status">
            <strong>
                {isStuck ? t("処理が止まっています。", "This has got stuck.")
                    : t("Paidの応答を待っています。", "Paid has not answered yet.")}
            </strong>
            <p>
                {word("OperationKind", action)} · {t("開始", "since")} {time(started_at)}
                {!isStuck && ` · ${t("次の確認", "next try")} ${time(next_try_at)}`}
            </p>
            {isStuck && <a href="#/reconciliation">{t("要確認一覧へ", "To what needs a human")}</a>}
        </div>
    );
}
