import { useCallback, useEffect, useState } from "react";

/** Asks for something; may `show` what is known meanwhile. */
export type Load<T> = (signal: AbortSignal, show: (data: T) => void) => Promise<T>;
export type Loaded<T> = { data: T | undefined; error: unknown; isLoading: boolean; reload: () => void };

/** Loads anew whenever `load` is another function. What was there before stays until the new is there. */
export function useLoad<T>(load: Load<T>): Loaded<T> {
    const [round, setRound] = useState({ load });
    const [state, setState] = useState<{ of?: object; data?: T; error?: unknown }>({});
    if (round.load !== load) setRound({ load });
    useEffect(() => {
        const stop = new AbortController();
        const show = (data: T) => {
            if (!stop.signal.aborted) setState({ of: round, data });
        };
        const fail = (error: unknown) => {
            if (!stop.signal.aborted) setState((last) => ({ ...last, of: round, error }));
        };
        round.load(stop.signal, show).then(show, fail);
        return () => stop.abort();
    }, [round]);
    const reload = useCallback(() => setRound(({ load: again }) => ({ load: again })), []);
    return { data: state.data, error: state.error, isLoading: state.of !== round, reload };
}

type Page<Row> = { data: Row[]; next_cursor: string | null };
export type Pages<Row> = Loaded<Page<Row>> & { more: (() => void) | undefined };

/** A list, page after page. */
export function usePages<Row>(
    load: (signal: AbortSignal, cursor: { cursor?: string }) => Promise<Page<Row>>,
): Pages<Row> {
    const [wanted, setWanted] = useState(1);
    const all = useCallback<Load<Page<Row>>>(
        async (signal) => {
            let got = await load(signal, {});
            for (let page = 1; page < wanted && got.next_cursor; page++) {
                const { data, next_cursor } = await load(signal, { cursor: got.next_cursor });
                got = { data: [...got.data, ...data], next_cursor };
            }
            return got;
        },
        [load, wanted],
    );
    const loaded = useLoad(all);
    return { ...loaded, more: loaded.data?.next_cursor ? () => setWanted(wanted + 1) : undefined };
}

/** Something that the visitor does: once at a time, and with what came of it if it failed. */
export function useAction<Args extends unknown[]>(act: (...args: Args) => Promise<void>) {
    const [state, setState] = useState<{ isRunning: boolean; error?: unknown }>({ isRunning: false });
    const run = (...args: Args) => {
        if (state.isRunning) return;
        setState({ isRunning: true });
        act(...args).then(
            () => setState({ isRunning: false }),
            (error: unknown) => setState({ isRunning: false, error }),
        );
    };
    const forget = () => setState({ isRunning: false });
    return { ...state, run, forget };
}
