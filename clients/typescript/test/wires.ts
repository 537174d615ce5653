// Wires that note what passes over them, and lose or cut what comes back.
import assert from "node:assert/strict";

export type Noted = { method: string; path: string; key: string | null; lastEventId: string | null };
export type Wire = { fetch: (request: Request) => Promise<Response>; sent: Noted[] };
type Spoil = (answer: Response, noted: Noted) => Response | Promise<Response>;

/** Notes each request, and lets `spoil` replace its answer, or throw as a network does. */
export function wire(spoil: Spoil = (answer) => answer): Wire {
    const sent: Noted[] = [];
    return {
        sent,
        async fetch(request) {
            const { method, url, headers } = request;
            const [key, lastEventId] = [headers.get("Idempotency-Key"), headers.get("Last-Event-ID")];
            const noted = { method, path: new URL(url).pathname, key, lastEventId };
            sent.push(noted);
            return spoil(await fetch(request), noted);
        },
    };
}

/** The service has done its work, and the first answer to such a request is lost. */
export function losing(method: string, path: string): Wire {
    let lost = false;
    return wire(async (answer, noted) => {
        if (lost || noted.method !== method || noted.path !== path) return answer;
        lost = true;
        await answer.arrayBuffer();
        throw new TypeError("the network is down");
    });
}

/** In place of the first answer to a POST comes this one. */
export function answeringOnce(answer: () => Response): Wire {
    let answered = false;
    return wire((real, { method }) => {
        if (answered || method !== "POST") return real;
        answered = true;
        return answer();
    });
}

/** Lets so many messages of a stream through, and cuts it. */
export function cutAfter(messages: number, stream: Response): Response {
    assert.ok(stream.body);
    const reader = stream.body.getReader();
    const decoder = new TextDecoder();
    let seen = 0;
    const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
            const { value } = await reader.read();
            seen += decoder.decode(value).split("\ndata: ").length - 1;
            if (value) controller.enqueue(value);
            if (value && seen < messages) return;
            await reader.cancel();
            controller.error(new TypeError("the connection was cut"));
        },
    });
    return new Response(body, stream);
}
