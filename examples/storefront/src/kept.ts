import { useSyncExternalStore } from "react";

export type Kept<T> = { get: () => T; set: (value: T) => void; watch: (watcher: () => void) => () => void };

/** Something that is there as long as the page is. */
export function held<T>(value: T): Kept<T> {
    const watchers = new Set<() => void>();
    const set = (next: T) => {
        value = next;
        for (const watcher of watchers) watcher();
    };
    const watch = (watcher: () => void) => {
        watchers.add(watcher);
        return () => watchers.delete(watcher);
    };
    return { get: () => value, set, watch };
}

/** Something that is kept in the browser, and is the same in all its tabs. */
export function kept<T>(name: string, initial: T): Kept<T> {
    const key = `kakeuri.storefront.${name}`;
    const here = held(initial);
    let text: string | null = null;
    let value = initial;
    const get = () => {
        const found = localStorage.getItem(key);
        if (found !== text) value = found === null ? initial : (JSON.parse(found) as T);
        text = found;
        return value;
    };
    const set = (next: T) => {
        localStorage.setItem(key, JSON.stringify(next));
        here.set(next);
    };
    const watch = (watcher: () => void) => {
        const leave = here.watch(watcher);
        addEventListener("storage", watcher);
        return () => {
            leave();
            removeEventListener("storage", watcher);
        };
    };
    return { get, set, watch };
}

export function useKept<T>({ get, watch }: Kept<T>): T {
    return useSyncExternalStore(watch, get);
}
