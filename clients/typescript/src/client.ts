import createClient from "openapi-fetch";
import { Call } from "./call.js";
import type { SessionOut } from "./generated/storefront.js";
import { type Send, sender, type TokenSource } from "./send.js";
import { passOver, type Session, type SessionStore, tokensOf } from "./session.js";
import { readOn } from "./stream.js";
import type { Answer, Args, CallOptions, ListOf, Method, Page, PathOf, RowOf } from "./types.js";

export type Options = {
    /** Where the service answers, as `https://api.shop.example`. */
    baseUrl: string;
    /** The language of messages; English unless said otherwise. */
    language?: "en" | "ja";
    /** An access token, or what gets one: in place of a log-in. */
    token?: string | TokenSource;
    /** Where the session is kept; in memory unless said otherwise. */
    sessionStore?: SessionStore;
    /** Is told of every log-in and refresh, and with `undefined` of the session's end. */
    onSession?: (session: Session | undefined) => void;
    /** How often a call is repeated where that is safe; twice unless said otherwise. */
    retries?: number;
    fetch?: Send;
};
type Verb<A, M extends Method> = <P extends PathOf<A, M>>(path: P, ...init: Args<A, P, M>) => Call<Answer<A, P, M>>;
type Stream<Message> = AsyncGenerator<Message, void>;
type Ask = (method: Method, path: string, init: object) => Promise<{ response: Response }>;
type Key = "idempotencyKey" | "ifMatch" | "lastEventId";
type AnyInit = CallOptions & { [K in Key]?: string | undefined } & { path?: object; query?: object; body?: unknown };

const FORM = { "Content-Type": "application/x-www-form-urlencoded" };

/** A client of one of the two APIs, typed by its published document. Whatever is not a success is thrown. */
export class Client<Api, Credentials extends object, Streams> {
    readonly #store: SessionStore;
    readonly #request: Ask;
    readonly get: Verb<Api, "get"> = (path, ...[init]) => this.#call("get", path, init);
    readonly post: Verb<Api, "post"> = (path, ...[init]) => this.#call("post", path, init);
    readonly put: Verb<Api, "put"> = (path, ...[init]) => this.#call("put", path, init);
    readonly patch: Verb<Api, "patch"> = (path, ...[init]) => this.#call("patch", path, init);
    readonly delete: Verb<Api, "delete"> = (path, ...[init]) => this.#call("delete", path, init);

    constructor(private readonly sessions: string, given: Record<string, string>, options: Options) {
        const { baseUrl, language = "en", token, onSession, retries = 2, fetch = globalThis.fetch } = options;
        let session: Session | undefined;
        const kept = options.sessionStore ?? { get: () => session, set: (next) => void (session = next) };
        const set = (next?: Session) => {
            kept.set(next);
            onSession?.(next);
        };
        this.#store = { get: () => kept.get(), set };
        const refresh = (refresh_token: string) => this.#open("/refresh", { refresh_token });
        const tokens = tokensOf(this.#store, `kakeuri ${baseUrl}${sessions}`, refresh);
        const source: TokenSource = typeof token === "function" ? token : (refused) => token ?? tokens(refused);
        const send = sender((request) => fetch(request), source, retries);
        const api = createClient({ baseUrl, headers: { "Accept-Language": language, ...given }, fetch: send });
        this.#request = api.request as unknown as Ask;
    }

    /** The log-in that holds; `undefined` for a visitor. */
    get session(): Session | undefined {
        return this.#store.get();
    }

    async logIn(credentials: Credentials): Promise<void> {
        this.#store.set(await this.#open("", credentials));
    }

    /** Ends the session; here even where the service cannot be reached. */
    async logOut(): Promise<void> {
        if (!this.session) return;
        const ended = this.#send("delete", `${this.sessions}/current`).catch(passOver);
        await ended.finally(() => this.#store.set(undefined));
    }

    /** Every row of a list, page after page. */
    async *each<P extends ListOf<Api>>(path: P, ...[init]: Args<Api, P, "get">): Stream<RowOf<Api, P>> {
        const { query, ...rest }: AnyInit = init ?? {};
        for (let page: Page<RowOf<Api, P>> | undefined; !page || (page.next_cursor && page.data.length); ) {
            const next = { ...query, ...(page && { cursor: page.next_cursor }) };
            page = await this.#call<Page<RowOf<Api, P>>>("get", path, { ...rest, query: next });
            yield* page.data;
        }
    }

    /** The messages of a stream as they come, over cuts and refreshes, to its end or until the loop is left. */
    stream<P extends keyof Streams & keyof Api & string>(path: P, ...[init]: Args<Api, P, "get">): Stream<Streams[P]> {
        const given: AnyInit = init ?? {};
        const open = (place: object) => this.#send("get", path, { ...given, ...place });
        return readOn(open, given.lastEventId, given.signal) as Stream<Streams[P]>;
    }

    #call<T>(method: Method, path: string, init: AnyInit = {}): Call<T> {
        const response = this.#send(method, path, init);
        // What was begun is looked at where the answer says, or else where the path has it.
        const resource = path.replace(/(\{id\}).*/, "$1");
        return new Call<T>(response, async (signal) => {
            const location = (await response).headers.get("Location");
            return this.#send("get", location ?? resource, { path: init.path ?? {}, signal });
        });
    }

    async #send(method: Method, path: string, init: AnyInit = {}): Promise<Response> {
        const { body, signal, idempotencyKey, ifMatch, lastEventId } = init;
        const isFile = typeof body === "string" || body instanceof Blob;
        const type = isFile ? { "Content-Type": "text/csv" } : path.endsWith("/oauth/token") ? FORM : {};
        const names = { "Idempotency-Key": idempotencyKey, "If-Match": ifMatch, "Last-Event-ID": lastEventId };
        const headers = { ...type, ...names, ...init.headers };
        const params = { path: init.path, query: init.query };
        const asItIs = isFile && { bodySerializer: () => body };
        const sent = { params, headers, body, signal, parseAs: "stream", ...asItIs };
        return (await this.#request(method, path, sent)).response;
    }

    async #open(path: "" | "/refresh", body: object): Promise<Session> {
        const response = await this.#send("post", this.sessions + path, { body });
        const session = (await response.json()) as SessionOut;
        // A little before it ends, so that few calls meet a token that has ended on the way.
        const expiresAt = Date.now() + session.expires_in * 900;
        return { accessToken: session.access_token, refreshToken: session.refresh_token, expiresAt };
    }
}
