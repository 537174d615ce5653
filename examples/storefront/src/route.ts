import { useSyncExternalStore } from "react";

const watch = (watcher: () => void) => {
    addEventListener("hashchange", watcher);
    return () => removeEventListener("hashchange", watcher);
};

/** Where the visitor is: `#/orders/42` is `["orders", "42"]`. */
export function useRoute(): string[] {
    const hash = useSyncExternalStore(watch, () => location.hash);
    return hash.replace(/^#\/?/, "").split("/").filter(Boolean);
}

export function go(path: string): void {
    location.hash = path;
}
