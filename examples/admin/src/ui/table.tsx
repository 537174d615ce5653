import type { ReactNode } from "react";
import { count } from "../format.ts";
import type { List } from "../hooks.ts";
import { useShop } from "../shop.tsx";
import { Pending, Problem } from "./problem.tsx";

/** The head, what stands below it, and how it is set. */
export type Column<Row> = [head: string, cell: (row: Row) => ReactNode, kind?: "number" | "wide" | "tick"];
type TableProps<Row> = { caption: string; rows: Row[]; keyOf: (row: Row) => string | number; columns: Column<Row>[] };

/** A table; on a phone each row is a card, whose lines are named by the columns' heads. */
export function Table<Row>({ caption, rows, keyOf, columns }: TableProps<Row>) {
    return (
        <table>
            <caption className="unseen">{caption}</caption>
            <thead>
                <tr>{columns.map(([head, , kind]) => <th key={head} scope="col" className={kind}>{head}</th>)}</tr>
            </thead>
            <tbody>
                {rows.map((row) => (
                    <tr key={keyOf(row)}>
                        {columns.map(([head, cell, kind]) => (
                            <td key={head} className={kind} data-head={head}><div>{cell(row)}</div></td>
                        ))}
                    </tr>
                ))}
            </tbody>
        </table>
    );
}

export function ListTable<Row>({ list, ...table }: Omit<TableProps<Row>, "rows"> & { list: List<Row> }) {
    const { t } = useShop();
    const { data: rows, total, more, isBusy, error, reload } = list;
    if (!rows) return <Pending of={list} />;
    return (
        <>
            <Problem error={error} reload={reload} />
            {rows.length ? <Table rows={rows} {...table} /> : <p className="empty">{t("該当なし", "There are none")}</p>}
            <footer className="under">
                {total !== undefined && <span>{t(`全${count(total)}件`, `${count(total)} in all`)}</span>}
                {more && <button type="button" onClick={more} disabled={isBusy}>{t("さらに表示", "More")}</button>}
            </footer>
        </>
    );
}
