import { type AnyInit, isTemporary, pause, type Send } from "./send.js";

/** A message of a stream. Its `id` is the place behind it: what `lastEventId` takes. */
export type Message<Type = string, Data = unknown> = { id: string; type: Type; data: Data };

/** Reads a stream to its end. After a cut it comes back to its place. */
export async function* readOn<M>(send: Send, path: string, { lastEventId, ...init }: AnyInit = {}) {
    for (let failed = 0, opened = false; ; failed++) {
        try {
            const { body } = await send("get", path, { ...init, lastEventId });
            // All of it was told, and nothing more will come.
            if (!body) return;
            opened = true;
            for await (const { id, type, data } of messagesOf(body)) {
                [lastEventId, failed] = [id || lastEventId, 0];
                // The next opening brings another token, or says what is wrong.
                if (type === "token_expired" || type === "session_ended") break;
                if (data) yield { id, type, data: JSON.parse(data) as unknown } as M;
                if (type === "finished") return;
            }
        } catch (error) {
            if (!opened || !(error instanceof TypeError || isTemporary(error))) throw error;
        }
        await pause(failed, init.signal);
    }
}

// Server-Sent Events. An `id` without data moves the place, and is no message.
async function* messagesOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Message<string, string>> {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    try {
        for (let text = "", chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
            const blocks = (text + chunk.value).split("\n\n");
            text = blocks.pop() ?? "";
            for (const block of blocks) {
                const field = (name: string) => new RegExp(`^${name}: (.*)`, "m").exec(block)?.[1] ?? "";
                yield { id: field("id"), type: field("event"), data: field("data") };
            }
        }
    } finally {
        await reader.cancel().catch(() => undefined);
    }
}
