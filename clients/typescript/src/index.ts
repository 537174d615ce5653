import { type Call, call, type Followed, type FollowOptions } from "./call.js";
import type * as Admin from "./generated/admin.js";
import type * as Storefront from "./generated/storefront.js";
import { type AnyInit, isTemporary, sender, type TokenSource } from "./send.js";
import { inStorage, passOver, type Session, type SessionStore, tokensOf } from "./session.js";
import { type Message, readOn } from "./stream.js";
import type { Answer, Args, ListOf, Method, Page, PathOf, RowOf } from "./types.js";

export type { Admin, Call, Followed, FollowOptions, Session, SessionStore, Storefront, TokenSource };
export { type Code, ConnectionError, isProblem, KakeuriProblem } from "./problem.js";
export { verifyWebhook, type WebhookEvent, WebhookVerificationError } from "./webhook.js";
export { inStorage, isTemporary };

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
    fetch?: (request: Request) => Promise<Response>;
};
export type JobMessage = Message<"progress" | "finished", Admin.Job>;
export type EventMessage = { [T in Admin.EventType]: Message<T, Admin.Event & { type: T }> }[Admin.EventType];
type Streams = { "/v1/admin/jobs/{id}/stream": JobMessage; "/v1/admin/events/stream": EventMessage };

// Of an answer, what comes with `dry_run`, and what comes without.
type Of<T, Dry> = Dry extends true ? (Admin.DryRun extends T ? Admin.DryRun : T) : Exclude<T, Admin.DryRun>;
type Verb<A, M extends Method> = <P extends PathOf<A, M>, Dry extends boolean = false>(
    path: P, ...init: Args<A, P, M> & [init?: { query?: { dry_run?: Dry } }]
) => Call<Of<Answer<A, P, M>, Dry>>;
type LogIn<Api> = Api extends Storefront.paths ? Storefront.LoginIn : Admin.AdminLoginIn;

export type StorefrontClient = Omit<ReturnType<typeof client<Storefront.paths>>, "stream">;
export type AdminClient = ReturnType<typeof client<Admin.paths>>;

/** A shop's front end: of a visitor, and once he has logged in of a member. */
export const storefront = (options: Options & { publishableKey: string }): StorefrontClient =>
    client<Storefront.paths>("/v1/storefront/sessions", options);

/** The shop's staff, or with a `token` a partner's program. */
export const admin = (options: Options): AdminClient => client<Admin.paths>("/v1/admin/sessions", options);

// Typed by one of the two published documents. Whatever is not a success is thrown.
function client<Api>(sessions: string, options: Options & { publishableKey?: string }) {
    const { baseUrl, onSession, retries = 2, fetch = globalThis.fetch } = options;
    let session: Session | undefined;
    const kept = options.sessionStore ?? { get: () => session, set: (next) => void (session = next) };
    const set = (next?: Session) => {
        kept.set(next);
        onSession?.(next);
    };
    const open = async (path: string, body: LogIn<Api> | { refresh_token: string }): Promise<Session> => {
        const opened = await call<Storefront.SessionOut>(send, "post", sessions + path, { body });
        // A little before it ends, so that few calls meet a token that has ended on the way.
        const expiresAt = Date.now() + opened.expires_in * 900;
        return { accessToken: opened.access_token, refreshToken: opened.refresh_token, expiresAt };
    };
    const refresh = (refresh_token: string) => open("/refresh", { refresh_token });
    const token = options.token ?? tokensOf({ get: () => kept.get(), set }, `kakeuri ${baseUrl}${sessions}`, refresh);
    const headers = { "Accept-Language": options.language ?? "en", "X-Publishable-Key": options.publishableKey };
    const send = sender({ baseUrl, headers, fetch }, token, retries);
    const verb = <M extends Method>(method: M): Verb<Api, M> => (path, ...[init]) => call(send, method, path, init);
    return {
        get: verb("get"), post: verb("post"), put: verb("put"), patch: verb("patch"), delete: verb("delete"),
        /** The log-in that holds; `undefined` for a visitor. */
        get session(): Session | undefined {
            return kept.get();
        },
        logIn: async (credentials: LogIn<Api>) => set(await open("", credentials)),
        /** Ends the session; here even where the service cannot be reached. */
        async logOut() {
            if (kept.get()) await send("delete", `${sessions}/current`).catch(passOver).finally(set);
        },
        /** Every row of a list, page after page. */
        async *each<P extends ListOf<Api>>(path: P, ...[init]: Args<Api, P, "get">) {
            const { query, ...rest }: AnyInit = init ?? {};
            for (let page: Page<RowOf<Api, P>> | undefined; !page || (page.next_cursor && page.data.length); ) {
                const next = { ...query, ...(page && { cursor: page.next_cursor }) };
                page = await call<Page<RowOf<Api, P>>>(send, "get", path, { ...rest, query: next });
                yield* page.data;
            }
        },
        /** The messages of a stream as they come, over cuts and refreshes, to its end or until the loop is left. */
        stream: <P extends keyof Streams & keyof Api>(path: P, ...[init]: Args<Api, P, "get">) =>
            readOn<Streams[P]>(send, path, init),
    };
}
