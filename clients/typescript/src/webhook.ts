import type { Event, EventType, Job, Member, Order, Product } from "./generated/admin.js";

type OfOrders = { order: Order; payment: Order; operation: Order | Member };
type Resources = OfOrders & { member: Member; application: Member; product: Product; job: Job };
type Resource<Type> = Type extends `${infer Kind extends keyof Resources}.${string}` ? Resources[Kind] | null : null;
type Told<Type> = Omit<Event, "type" | "actor" | "data"> & Partial<Pick<Event, "actor" | "data">> & { type: Type };
type Sent<Type> = { type: Type; timestamp: string; data: Told<Type> & { resource: Resource<Type> } };
/** What a webhook is sent, told apart by `type`. `data.resource` is what it is about, as that was when it was sent. */
export type WebhookEvent = { [T in EventType]: Sent<T> }[EventType] | Sent<"webhook.test">;
type Fields = Record<string, string | string[] | undefined>;

/** Not signed with any of the secrets, or too old. */
export class WebhookVerificationError extends Error {
    override readonly name = "WebhookVerificationError";
}

/**
 * Checks who sent a message (Standard Webhooks) and reads it. `body` is what came, not parsed and written again. By up
 * to `tolerance` seconds the clocks may differ.
 */
export async function verifyWebhook(
    body: string | Uint8Array, headers: Headers | Fields, secrets: string | string[], { tolerance = 300 } = {},
): Promise<WebhookEvent> {
    const given = (name: string) => (typeof headers.get === "function" ? headers.get(name) : (headers as Fields)[name]);
    const header = (name: string) => given(`webhook-${name}`)?.toString() ?? "";
    const at = header("timestamp");
    if (!(Math.abs(Date.now() / 1000 - Number(at)) <= tolerance)) throw new WebhookVerificationError(`Sent at ${at}`);
    const text = typeof body === "string" ? body : new TextDecoder().decode(body);
    const signed = new TextEncoder().encode(`${header("id")}.${at}.${text}`);
    const bytesOf = (base64 = "") => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    for (const secret of [secrets].flat()) {
        const raw = bytesOf(secret.replace(/^whsec_/, ""));
        const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
        for (const [, mac] of header("signature").matchAll(/v1,([\w+/]{43}=)/g))
            if (await crypto.subtle.verify("HMAC", key, bytesOf(mac), signed)) return JSON.parse(text) as WebhookEvent;
    }
    throw new WebhookVerificationError("No signature is right");
}
