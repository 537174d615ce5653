import { isProblem } from "./problem.js";
import type { TokenSource } from "./send.js";

/** What a log-in gave, as plain JSON. The refresh token is good once; a refresh at `expiresAt` (ms) brings the next. */
export type Session = { accessToken: string; refreshToken: string; expiresAt: number };

/** Where the session is kept. It is read before every call, so that another tab's refresh is seen. */
export type SessionStore = { get(): Session | undefined; set(session: Session | undefined): void };

/** Keeps the session in `localStorage`, which a browser's tabs share, or in `sessionStorage`, which they do not. */
export function inStorage(storage: Pick<Storage, "getItem" | "setItem">, key = "kakeuri.session"): SessionStore {
    return {
        get: () => (JSON.parse(storage.getItem(key) ?? "null") as Session | null) ?? undefined,
        set: (session) => storage.setItem(key, JSON.stringify(session ?? null)),
    };
}

/** Gives the access token of a session, which is refreshed once for all who ask at the same time. */
export function tokensOf(store: SessionStore, name: string, refresh: (token: string) => Promise<Session>): TokenSource {
    let renewal: Promise<void> | undefined;
    return async (refused) => {
        const isGood = (it?: Session) => !it || (it.accessToken !== refused && it.expiresAt > Date.now());
        const renew = async () => {
            const session = store.get();
            if (!session || isGood(session)) return;
            const next = await refresh(session.refreshToken).catch(passOver);
            // Unless somebody has logged in or out meanwhile.
            if (store.get()?.refreshToken === session.refreshToken) store.set(next);
        };
        // Used twice a refresh token ends the session: of the tabs that share one, one refreshes while the others wait.
        const locks = (globalThis.navigator as Partial<Navigator> | undefined)?.locks;
        const alone = async () => (locks ? locks.request(name, renew) : renew());
        if (!isGood(store.get())) await (renewal ??= alone().finally(() => (renewal = undefined)));
        return store.get()?.accessToken;
    };
}

/** That a session has ended is no failure of whoever refreshes or ends it: without one, one is a visitor. */
export function passOver(error: unknown): undefined {
    if (!isProblem(error, "invalid_refresh_token", "token_invalid", "token_missing")) throw error;
}
