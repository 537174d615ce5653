import { ConnectionError, isProblem, isTemporary, KakeuriProblem } from "./problem.js";

export type Send = (request: Request) => Promise<Response>;
/** Gives an access token; asked again it gives another one than the service has refused. */
export type TokenSource = (refused?: string) => string | undefined | Promise<string | undefined>;

// What takes no key, and of that what is called without a token.
const KEYLESS = /\/(sessions|oauth|invitations)(\/|$)/;
const OPEN = /^POST .*\/(sessions|sessions\/refresh|oauth\/token|invitations\/accept)$/;
// Whoever would have to wait longer (ms) is told so at once.
const LONGEST_WAIT = 30_000;

/**
 * Sends requests with a token, replaced when it has expired, and again while the answer is missing or temporary, where
 * nothing can be done twice by that. Whatever is not a success in the end is thrown.
 */
export function sender(fetch: Send, token: TokenSource, retries: number): Send {
    return async (request) => {
        const { method, headers, signal, url } = request;
        const { pathname } = new URL(url);
        const isKeyed = method === "POST" && !KEYLESS.test(pathname);
        if (isKeyed && !headers.has("Idempotency-Key")) headers.set("Idempotency-Key", crypto.randomUUID());
        const isIdempotent = method === "GET" || (method === "PUT" && !headers.has("If-Match"));
        // A refresh whose answer got lost may be asked for again.
        const tries = isKeyed || isIdempotent || pathname.endsWith("/sessions/refresh") ? retries : 0;
        let refused: string | undefined;
        for (let tried = 0; ; ) {
            const used = OPEN.test(`${method} ${pathname}`) ? undefined : await token(refused);
            const attempt = request.clone();
            if (used) attempt.headers.set("Authorization", `Bearer ${used}`);
            const lost = (cause: unknown) => new ConnectionError(`No answer from ${url}`, { cause });
            const answer = await fetch(attempt).catch(lost);
            if ("ok" in answer && answer.ok) return answer;
            const error = "ok" in answer ? await KakeuriProblem.of(answer) : answer;
            signal.throwIfAborted();
            if (used && !refused && isProblem(error, "token_expired", "token_invalid")) refused = used;
            else {
                const wait = isProblem(error) && error.retryAfter ? error.retryAfter * 1000 : backoff(tried);
                if (!isTemporary(error) || tried++ >= tries || wait > LONGEST_WAIT) throw error;
                await pause(wait, signal);
            }
        }
    };
}

/** Longer from time to time, and not in step with others. */
export function backoff(tried: number): number {
    return Math.min(8000, 250 * 2 ** tried) * (0.5 + Math.random() / 2);
}

export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve) => {
        const end = () => {
            clearTimeout(timer);
            signal?.removeEventListener("abort", end);
            resolve();
        };
        const timer = setTimeout(end, milliseconds);
        signal?.addEventListener("abort", end);
    });
    signal?.throwIfAborted();
}
