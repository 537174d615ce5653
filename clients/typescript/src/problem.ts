import type { AdminProblem, Code as DocumentedCode } from "./generated/admin.js";

/** The stable code of a problem; `unknown` where the answer was no problem document, as a proxy's. */
export type Code = DocumentedCode | "unknown";

/** The service answered, and refused: a problem document (RFC 9457) as an error. */
export class KakeuriProblem<C extends Code = Code> extends Error {
    override readonly name = "KakeuriProblem";
    readonly code = (this.document.code ?? "unknown") as C;
    readonly title = this.document.title ?? this.message;
    /** What happened and what to do, in the client's language. */
    readonly detail = this.message;
    readonly errors = this.document.errors ?? [];
    readonly reasons = this.document.reasons ?? [];
    readonly paidCodes = this.document.paid_codes ?? [];
    readonly requestId = this.document.request_id;
    readonly traceId = this.document.trace_id;

    /** After `retryAfter` seconds the same call may be sent again. */
    constructor(readonly document: Partial<AdminProblem>, readonly status: number, readonly retryAfter?: number) {
        super(document.detail ?? `The answer is a ${status} without a problem document`);
    }

    /** What is wrong with each field, by its JSON pointer (`/email`) or the name of its query parameter. */
    fieldErrors(): Record<string, string[]> {
        const messages: Record<string, string[]> = {};
        for (const { pointer, message } of this.errors) (messages[pointer] ??= []).push(message);
        return messages;
    }
}

/** No answer came, however often the call could be repeated. */
export class ConnectionError extends Error {
    override readonly name = "ConnectionError";
}

/** Is it a problem, and one of these codes where any are named? */
export function isProblem<C extends Code = Code>(error: unknown, ...codes: C[]): error is KakeuriProblem<C> {
    return error instanceof KakeuriProblem && (codes.length === 0 || codes.some((code) => code === error.code));
}
