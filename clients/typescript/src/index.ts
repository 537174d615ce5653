import { Client, type Options } from "./client.js";
import type * as Admin from "./generated/admin.js";
import type * as Storefront from "./generated/storefront.js";
import type { Message } from "./stream.js";

export type { Admin, Storefront };
export type { Options } from "./client.js";
export type { Call, Followed, FollowOptions } from "./call.js";
export { type Code, ConnectionError, isProblem, isTemporary, KakeuriProblem } from "./problem.js";
export { inStorage, type Session, type SessionStore } from "./session.js";
export type { TokenSource } from "./send.js";
export { verifyWebhook, type WebhookEvent, WebhookVerificationError } from "./webhook.js";

export type JobMessage = Message<"progress" | "finished", Admin.Job>;
export type EventMessage = { [T in Admin.EventType]: Message<T, Admin.Event & { type: T }> }[Admin.EventType];
type Streams = { "/v1/admin/jobs/{id}/stream": JobMessage; "/v1/admin/events/stream": EventMessage };

export type StorefrontClient = Omit<Client<Storefront.paths, Storefront.LoginIn, unknown>, "stream">;
export type AdminClient = Client<Admin.paths, Admin.AdminLoginIn, Streams>;

/** A shop's front end: of a visitor, and once he has logged in of a member. */
export function storefront({ publishableKey, ...options }: Options & { publishableKey: string }): StorefrontClient {
    return new Client("/v1/storefront/sessions", { "X-Publishable-Key": publishableKey }, options);
}

/** The shop's staff, or with a `token` a partner's program. */
export function admin(options: Options): AdminClient {
    return new Client("/v1/admin/sessions", {}, options);
}
