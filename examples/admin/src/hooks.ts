import type { Admin, Call, Followed } from "@kakeuri/client";
import { type DependencyList, useCallback, useEffect, useEffectEvent, useState } from "react";
import { go } from "./router.ts";
import { useShop } from "./shop.tsx";

export type Loaded<T> = { data: T | undefined; error: unknown; reload: () => void };
type Load<T> = (signal: AbortSignal, show: (data: T) => void) => Promise<T>;

/** Loads when the screen opens, when `deps` change, and on `reload`; what was there is shown until then. */
export function useLoad<T>(load: Load<T>, deps: DependencyList): Loaded<T> {
    const [state, setState] = useState<{ data?: T; error?: unknown }>({});
    const [times, setTimes] = useState(0);
    const begin = useEffectEvent(load);
    useEffect(() => {
        const ending = new AbortController();
        const show = (data: T) => ending.signal.aborted || setState({ data });
        begin(ending.signal, show).then(show, (error: unknown) => {
            if (!ending.signal.aborted) setState((before) => ({ ...before, error }));
        });
        return () => ending.abort();
        // The caller names what it depends on.
        // eslint-disable-next-line react-hooks/exhaustive-deps
    }, [times, ...deps]);
    return { data: state.data, error: state.error, reload: useCallback(() => setTimes((before) => before + 1), []) };
}

/** Does something, once at a time, and keeps what went wrong. */
export function useAction<A extends unknown[]>(work: (...args: A) => Promise<unknown>) {
    const { again } = useShop();
    const [isBusy, setBusy] = useState(false);
    const [error, setError] = useState<unknown>();
    const run = async (...args: A) => {
        if (isBusy) return;
        setBusy(true);
        setError(undefined);
        await again(() => work(...args)).catch(setError);
        setBusy(false);
    };
    return { run, isBusy, error, clear: () => setError(undefined) };
}

/** `leave` is where one goes afterwards, where nothing is left to be seen here. */
type Act = (call: () => Promise<unknown>, done: string, leave?: string) => Promise<void>;
/** What the buttons of a page act on. */
export type Actions = { act: Act; isBusy: boolean; reload: () => void };

/** Does a call, says that it was done, and shows what there is then. */
export function useActions(reload: () => void): Actions & { error: unknown } {
    const { notify } = useShop();
    const { run, clear, isBusy, error } = useAction<Parameters<Act>>(async (call, done, leave) => {
        try {
            await call();
            notify(done);
            if (leave) go(leave);
        } finally {
            if (!leave) reload();
        }
    });
    const anew = () => {
        clear();
        reload();
    };
    return { act: run, reload: anew, isBusy, error };
}

const TEN_MINUTES = { timeout: 600_000 };

type Where = { path: { id: string }; signal: AbortSignal };

/** One thing, what is done to it, and `known`, which a change of it takes: its id, and its etag as it was loaded. While
 *  Paid has not answered about it, it is looked at again. */
export function useOne<T>(id: string, get: (where: Where) => Call<T>) {
    const { api } = useShop();
    const path = { id };
    const { data, error, reload } = useLoad<{ data: T; etag: string | undefined }>(async (signal, show) => {
        const begun = get({ path, signal });
        const first = await begun.withResponse();
        show(first);
        const last = await begun.follow({ signal, ...TEN_MINUTES }).catch(() => first.data as Followed<T>);
        return last === first.data ? first : get({ path, signal }).withResponse();
    }, [api, id]);
    const actions = useActions(reload);
    return { ...actions, data: data?.data, known: { path, ifMatch: data?.etag }, error: actions.error ?? error };
}

type Page<Row> = { data: Row[]; next_cursor: string | null; total?: number };
type Place = { cursor?: string; include_total: true };
export type List<Row> = ReturnType<typeof useList<Row>>;

/** A list, page after page: `more` is there as long as there is more. */
export function useList<Row>(load: (place: Place, signal?: AbortSignal) => Promise<Page<Row>>, deps: DependencyList) {
    const [pages, setPages] = useState<{ first?: Page<Row>; further: Page<Row>[] }>({ further: [] });
    const { data: first, error, reload } = useLoad((signal) => load({ include_total: true }, signal), deps);
    // Further pages belong to the first one that they came after.
    const further = pages.first === first ? pages.further : [];
    const cursor = (further.at(-1) ?? first)?.next_cursor;
    const next = useAction(async () => {
        if (!first || !cursor) return;
        setPages({ first, further: [...further, await load({ include_total: true, cursor })] });
    });
    const rows = first && [first, ...further].flatMap((page) => page.data);
    const more = cursor ? () => void next.run() : undefined;
    return { data: rows, total: first?.total, more, isBusy: next.isBusy, error: error ?? next.error, reload };
}

/** A job as it goes on, told by its stream. */
export function useJob(id: string, onEnd: (job: Admin.Job) => void): Loaded<Admin.Job> {
    const { api } = useShop();
    const path = { id };
    return useLoad<Admin.Job>(async (signal, show) => {
        let job = await api.get("/v1/admin/jobs/{id}", { path, signal });
        show(job);
        for await (const { data } of api.stream("/v1/admin/jobs/{id}/stream", { path, signal })) show((job = data));
        onEnd(job);
        return job;
    }, [api, id]);
}
