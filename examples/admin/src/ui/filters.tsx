import { type SyntheticEvent, useEffect, useId, useRef } from "react";
import { go, type Query } from "../router.ts";
import { useShop } from "../shop.tsx";

type Props = { path: string; query: Query; by: [name: string, label: string, of: string][]; search?: string };

/** What a list shows, kept in the address. */
export function Filters({ path, query, by, search }: Props) {
    const { t, choices } = useShop();
    const id = useId();
    const text = useRef<HTMLInputElement>(null);
    useEffect(() => {
        if (text.current) text.current.value = query.q ?? "";
    }, [query.q]);
    const onSubmit = (event: SyntheticEvent) => {
        event.preventDefault();
        go(path, { ...query, q: text.current?.value ?? "" });
    };
    return (
        <form role="search" className="filters" onSubmit={onSubmit}>
            {search && (
                <div>
                    <label htmlFor={`${id}-q`}>{search}</label>
                    <input id={`${id}-q`} ref={text} type="search" />
                </div>
            )}
            {search && <button>{t("検索", "Search")}</button>}
            {by.map(([name, label, of]) => (
                <div key={name}>
                    <label htmlFor={id + name}>{label}</label>
                    <select id={id + name} value={query[name] ?? ""}
                        onChange={({ target }) => go(path, { ...query, [name]: target.value })}>
                        <option value="">{t("すべて", "All")}</option>
                        {choices(of).map(({ value, label }) => <option key={value} value={value}>{label}</option>)}
                    </select>
                </div>
            ))}
        </form>
    );
}
