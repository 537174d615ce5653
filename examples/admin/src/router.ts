import { useSyncExternalStore } from "react";

export type Query = Record<string, string>;

const subscribe = (changed: () => void) => {
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
};

/** Where one is, as the address behind `#` says: `#/members/0199…` or `#/members?status=active`. */
export function useRoute(): { path: string[]; query: Query } {
    const hash = useSyncExternalStore(subscribe, () => location.hash);
    const [path = "", query = ""] = hash.slice(1).split("?");
    return { path: path.split("/").filter(Boolean), query: Object.fromEntries(new URLSearchParams(query)) };
}

export function href(path: string, query: Query = {}): string {
    const filled = Object.entries(query).filter(([, value]) => value);
    return `#/${path}${filled.length ? `?${new URLSearchParams(filled).toString()}` : ""}`;
}

export function go(path: string, query?: Query) {
    location.hash = href(path, query);
}
