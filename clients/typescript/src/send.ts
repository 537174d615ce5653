import createClient, { type ClientOptions } from "openapi-fetch";
import { ConnectionError, isProblem, KakeuriProblem } from "./problem.js";
import type { CallOptions, Method, Names } from "./types.js";

/** Gives an access token; asked again it gives another one than the service has refused. */
export type TokenSource = (refused?: string) => string | undefined | Promise<string | undefined>;
type Header = { [Name in Names[keyof Names]]?: string | undefined };
/** What calls take beside their path, whatever it is. */
export type AnyInit = CallOptions & Header & { path?: object | undefined; query?: object; body?: unknown };
export type Send = (method: Method, path: string, init?: AnyInit) => Promise<Response>;
type Told = { response?: Response; error?: unknown };
type Ask = (method: Method, path: string, init: object) => Promise<Told>;

// What is called without a token.
const OPEN = /^\/v1\/(\w+\/sessions|\w+\/sessions\/refresh|oauth\/token|admin\/invitations\/accept)$/;

/**
 * Sends requests with a token, replaced when it has expired, and again while the answer is missing or temporary, where
 * nothing can be done twice by that. Whatever is not a success in the end is thrown.
 */
export function sender(options: ClientOptions, token: string | TokenSource, retries: number): Send {
    const ask = createClient(options).request as unknown as Ask;
    return async (method, path, { headers, body, signal, idempotencyKey, ifMatch, lastEventId, ...params } = {}) => {
        const isKeyed = method === "post" && !OPEN.test(path) && !path.endsWith("/sessions/step-up");
        const key = idempotencyKey ?? (isKeyed ? crypto.randomUUID() : undefined);
        const names = { "Idempotency-Key": key, "If-Match": ifMatch, "Last-Event-ID": lastEventId };
        // A refresh whose answer got lost may be asked for again.
        const tries = key || (!ifMatch && ["get", "put"].includes(method)) || path.endsWith("/refresh") ? retries : 0;
        const isFile = typeof body === "string" || body instanceof Blob;
        const type = isFile ? "text/csv" : path.endsWith("/token") ? "application/x-www-form-urlencoded" : undefined;
        const sent = { params, body, signal, parseAs: "stream", ...(isFile && { bodySerializer: () => body }) };
        const lost = (cause: unknown): Told => ({ error: new ConnectionError(`No answer to ${path}`, { cause }) });
        for (let tried = 0, refused: string | undefined; ; ) {
            const used = OPEN.test(path) ? undefined : await (typeof token === "string" ? token : token(refused));
            const all = { "Content-Type": type, Authorization: used && `Bearer ${used}`, ...names, ...headers };
            const { response, error: told } = await ask(method, path, { ...sent, headers: all }).catch(lost);
            if (response?.ok) return response;
            const document = response?.headers.get("Content-Type")?.includes("problem+json") ? (told as object) : {};
            const wait = Number(response?.headers.get("Retry-After")) || 0;
            const error = response ? new KakeuriProblem(document, response.status, wait || undefined) : told;
            signal?.throwIfAborted();
            if (used && !refused && isProblem(error, "token_expired", "token_invalid")) refused = used;
            // Whoever would have to wait for longer than half a minute is told so at once.
            else if (tried < tries && wait <= 30 && isTemporary(error)) await pause(tried++, signal, wait);
            else throw error;
        }
    };
}

/** May the same call succeed a little later? */
export function isTemporary(error: unknown): boolean {
    if (!isProblem(error)) return error instanceof ConnectionError;
    return /^(429|503|504|409 request_in_progress|502 unknown)/.test(`${error.status} ${error.code}`);
}

/** Waits so many seconds; or else from time to time longer, and not in step with others. */
export async function pause(before: number, signal?: AbortSignal, seconds = 0): Promise<void> {
    signal?.throwIfAborted();
    const wait = seconds * 1000 || Math.min(8000, 250 * 2 ** before) * (0.5 + Math.random() / 2);
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise((resolve) => {
        timer = setTimeout(resolve, wait);
        signal?.addEventListener("abort", resolve);
    });
    clearTimeout(timer);
    signal?.throwIfAborted();
}
