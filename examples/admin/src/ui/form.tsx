import { type Admin, isProblem } from "@kakeuri/client";
import { createContext, type ReactNode, type SyntheticEvent, useEffect, useRef, useState } from "react";
import { useAction } from "../hooks.ts";
import { Problem } from "./problem.tsx";

/** What a form holds, by the JSON pointers that are its fields' names. */
export type Values = ReturnType<typeof valuesOf>;

function valuesOf(data: FormData) {
    const text = (name: string) => data.getAll(name).find((value) => typeof value === "string") ?? "";
    return {
        text,
        /** Blank is `null`, in the API's words: nothing. */
        orNull: (name: string) => text(name) || null,
        number: (name: string) => (text(name) === "" ? null : Number(text(name))),
        isChecked: (name: string) => data.has(name),
        all: (name: string) => data.getAll(name).map(String),
        file: (name: string) => data.get(name) as File,
    };
}

export const Faulty = createContext<Admin.Fault[]>([]);

export type FormProps = {
    label: string;
    submit: (values: Values) => Promise<unknown>;
    isGrave?: boolean;
    isOff?: boolean;
    reload?: (() => void) | undefined;
    children?: ReactNode;
};

/** A form whose faults the service finds: each is shown at its field, and the first of these gets the focus. */
export function Form({ label, submit, isGrave = false, isOff = false, reload, children }: FormProps) {
    const form = useRef<HTMLFormElement>(null);
    const [fields, setFields] = useState<string[]>([]);
    const { run, isBusy, error, clear } = useAction(submit);
    useEffect(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus(), [error]);
    const anew = () => {
        clear();
        reload?.();
    };
    const onSubmit = (event: SyntheticEvent<HTMLFormElement>) => {
        event.preventDefault();
        const { elements } = event.currentTarget;
        setFields(Array.from(elements, (element) => element.getAttribute("name") ?? "").filter(Boolean));
        void run(valuesOf(new FormData(event.currentTarget)));
    };
    return (
        <form ref={form} className="form" noValidate onSubmit={onSubmit}>
            <Problem error={error} placed={fields} reload={reload && anew} />
            <Faulty value={isProblem(error) ? error.errors : []}>{children}</Faulty>
            <div>
                <button className={isGrave ? "grave" : "primary"} disabled={isBusy || isOff} aria-busy={isBusy}>
                    {label}
                </button>
            </div>
        </form>
    );
}
