import { isTemporary } from "./problem.js";
import { backoff, pause } from "./send.js";

/** A message of a stream. Its `id` is the place behind it: what `lastEventId` takes. */
export type Message<Type extends string = string, Data = unknown> = { id: string; type: Type; data: Data };
type Open = (place: { lastEventId?: string }) => Promise<Response>;

/** Reads a stream to its end. After a cut it comes back to its place. */
export async function* readOn(open: Open, id = "", signal?: AbortSignal): AsyncGenerator<Message> {
    for (let failed = 0, opened = false; ; failed++) {
        try {
            const { body } = await open(id ? { lastEventId: id } : {});
            // All of it was told, and nothing more will come.
            if (!body) return;
            opened = true;
            for await (const message of messagesOf(body)) {
                [id, failed] = [message.id || id, 0];
                // The next opening brings another token, or says what is wrong.
                if (message.type === "token_expired" || message.type === "session_ended") break;
                if (message.data) yield { ...message, data: JSON.parse(message.data) as unknown };
                if (message.type === "finished") return;
            }
        } catch (error) {
            const isCut = opened && !signal?.aborted && (error instanceof TypeError || isTemporary(error));
            if (!isCut) throw error;
        }
        await pause(backoff(failed), signal);
    }
}

// Server-Sent Events. An `id` without data moves the place, and is no message.
async function* messagesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Message<string, string>> {
    const [reader, decoder] = [body.getReader(), new TextDecoder()];
    try {
        for (let text = "", chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
            text += decoder.decode(chunk.value, { stream: true });
            const blocks = text.replaceAll("\r\n", "\n").split("\n\n");
            text = blocks.pop() ?? "";
            for (const lines of blocks.map((block) => block.split("\n"))) {
                const field = (name: string) => lines.find((line) => line.startsWith(name))?.slice(name.length) ?? "";
                yield { id: field("id: "), type: field("event: "), data: field("data: ") };
            }
        }
    } finally {
        await reader.cancel().catch(() => undefined);
    }
}
