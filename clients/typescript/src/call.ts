import { pause } from "./send.js";

/** What a followed answer becomes: of a submission, its member. */
export type Followed<T> = T extends { outcome: string; member: infer Member } ? Member : T;
/** After `timeout` (ms), two minutes unless said otherwise, following ends with a `TimeoutError`. */
export type FollowOptions<T> = { signal?: AbortSignal | undefined; timeout?: number; onUpdate?: (current: T) => void };
type Operation = { open_operation?: { state: string } | null };
type Followable = { state?: string; payment?: (Operation & { status: string }) | null; paid?: Operation };
type LookAgain = (signal: AbortSignal) => Promise<Response>;

/** A promise of what a call answers, with more to ask for. However it is asked, the request is sent once. */
export class Call<T> extends Promise<T> {
    constructor(private readonly response: Promise<Response>, private readonly lookAgain: LookAgain) {
        super((resolve) => resolve(response.then((answer) => dataOf<T>(answer))));
    }

    // What `then` gives is a promise as any.
    static override get [Symbol.species](): PromiseConstructor {
        return Promise;
    }

    /** The answer with its headers; `etag` is what a change of it takes as `ifMatch`. */
    async withResponse(): Promise<{ data: T; etag: string | undefined; response: Response }> {
        const [data, response] = await Promise.all([this, this.response]);
        return { data, etag: response.headers.get("ETag") ?? undefined, response };
    }

    /** Waits for the end of what was begun: an order's payment, a member's application, a job. */
    async follow({ signal, timeout = 120_000, onUpdate }: FollowOptions<Followed<T>> = {}): Promise<Followed<T>> {
        const until = AbortSignal.any([AbortSignal.timeout(timeout), ...(signal ? [signal] : [])]);
        const first = (await this) as { outcome?: string; member?: unknown };
        let current = (first.outcome ? first.member : first) as Followed<T>;
        for (let wait = 250; isUnderWay(current as Followable); wait = Math.min(wait * 1.5, 5000)) {
            await pause(wait, until);
            current = await dataOf(await this.lookAgain(until));
            onUpdate?.(current);
        }
        return current;
    }
}

// What is stuck waits for a human, however often it is asked for.
function isUnderWay({ state = "", payment, paid }: Followable): boolean {
    const operation = payment?.open_operation ?? paid?.open_operation;
    if (operation) return operation.state !== "stuck";
    return payment?.status === "processing" || ["queued", "running", "cancelling"].includes(state);
}

async function dataOf<T>(response: Response): Promise<T> {
    if (!(response.headers.get("Content-Type") ?? "json").includes("json")) return (await response.blob()) as T;
    const text = await response.text();
    return (text ? JSON.parse(text) : undefined) as T;
}
