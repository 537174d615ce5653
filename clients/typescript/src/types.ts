// How the generated types become the arguments and the answer of a call.

export type Method = "get" | "post" | "put" | "patch" | "delete";
type Operation<Api, P extends keyof Api, M extends Method> = Api[P] extends Record<M, infer Op> ? Op : never;
type Success<Op> = Op extends { responses: infer R } ? R[keyof R & (200 | 201 | 202 | 204)] : never;
type Data<R> = R extends { content: infer C } ? (C extends { "application/json": infer J } ? J : Blob) : undefined;

/** What a call answers: JSON as its type, a file as a `Blob`, nothing as `undefined`. */
export type Answer<Api, P extends keyof Api, M extends Method> = Data<Success<Operation<Api, P, M>>>;
type KeyOf<T, V> = { [K in keyof T & string]: T[K] extends V ? K : never }[keyof T & string];
/** The paths that take a method. Streams are left to `stream`. */
export type PathOf<Api, M extends Method> = Exclude<KeyOf<Api, Record<M, unknown>>, `${string}/stream`>;
/** The paths that answer with pages. */
export type ListOf<Api> = KeyOf<{ [P in PathOf<Api, "get">]: Answer<Api, P, "get"> }, Page<unknown>>;
export type Page<Row> = { data: Row[]; next_cursor: string | null };
export type RowOf<Api, P extends keyof Api> = Answer<Api, P, "get"> extends Page<infer Row> ? Row : never;

/** What every call takes. */
export type CallOptions = { signal?: AbortSignal | undefined; headers?: Record<string, string> };
type Places<Op> = Op extends { parameters: infer All } ? Pick<All, keyof All & ("path" | "query")> : unknown;
type HeaderOf<Op> = Op extends { parameters: { header?: infer H } } ? ([H] extends [never] ? never : keyof H) : never;
export type Names = { "Idempotency-Key": "idempotencyKey"; "If-Match": "ifMatch"; "Last-Event-ID": "lastEventId" };
type Headers<Op> = { [H in HeaderOf<Op> & keyof Names as Names[H]]?: string | undefined };
type BodyOf<C> = { body: C extends { "text/csv": unknown } ? string | Blob : C[keyof C] };
type Body<Op> = Op extends { requestBody: { content: infer C } } ? BodyOf<C> : unknown;
type Init<Op> = Places<Op> & Headers<Op> & Body<Op> & CallOptions;
type Optional<Init> = object extends Init ? [init?: Init] : [init: Init];
/** What a call takes beside its path. It may be left out where nothing of it is needed. */
export type Args<Api, P extends keyof Api, M extends Method> = Optional<Init<Operation<Api, P, M>>>;
