import { pause, type Send } from "./send.js";

/** What a followed answer becomes: of a submission, its member. */
export type Followed<T> = T extends { outcome: string; member: infer Member } ? Member : T;
/** After `timeout` (ms), two minutes unless said otherwise, following ends with a `TimeoutError`. */
export type FollowOptions<T> = { signal?: AbortSignal | undefined; timeout?: number; onUpdate?: (current: T) => void };
type Paid = { status?: string; open_operation?: { state: string } | null };
type Followable = { state?: string; payment?: Paid | null; paid?: Paid };

/** A promise of what a call answers, with more to ask for. However it is asked, the request is sent once. */
export type Call<T> = ReturnType<typeof call<T>>;

export function call<T>(send: Send, ...[method, path, init]: Parameters<Send>) {
    const answer = send(method, path, init);
    const told = answer.then(dataOf<T>);
    return Object.assign(told, {
        /** The answer with its headers; `etag` is what a change of it takes as `ifMatch`. */
        async withResponse() {
            const [data, response] = await Promise.all([told, answer]);
            return { data, etag: response.headers.get("ETag") ?? undefined, response };
        },
        /** Waits for the end of what was begun: an order's payment, a member's application, a job. */
        async follow({ signal, timeout = 120_000, onUpdate }: FollowOptions<Followed<T>> = {}) {
            const until = AbortSignal.any([AbortSignal.timeout(timeout), ...(signal ? [signal] : [])]);
            const first = (await told) as { outcome?: string; member?: unknown };
            let current = (first.outcome ? first.member : first) as Followed<T>;
            // What was begun is looked at where the answer says, or else where the path has it.
            const place = (await answer).headers.get("Location") ?? path.replace(/(\{id\}).*/, "$1");
            for (let looks = 0; isUnderWay(current as Followable); looks++) {
                await pause(looks, until);
                current = await dataOf(await send("get", place, { path: init?.path, signal: until }));
                onUpdate?.(current);
            }
            return current;
        },
    });
}

// What is stuck waits for a human, however often it is asked for.
function isUnderWay({ state = "", payment, paid }: Followable): boolean {
    const operation = payment?.open_operation ?? paid?.open_operation;
    if (operation) return operation.state !== "stuck";
    return payment?.status === "processing" || ["queued", "running", "cancelling"].includes(state);
}

async function dataOf<T>(answer: Response): Promise<T> {
    const type = answer.headers.get("Content-Type");
    return (type ? await (type.includes("json") ? answer.json() : answer.blob()) : undefined) as T;
}
