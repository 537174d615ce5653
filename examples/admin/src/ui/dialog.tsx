import { isValidElement, type ReactNode, useEffect, useId, useRef, useState } from "react";
import type { Actions } from "../hooks.ts";
import { useShop } from "../shop.tsx";
import { Form, type FormProps, type Values } from "./form.tsx";

type Props = { title: string; onClose: () => void; children: ReactNode };

/** A modal dialog; afterwards the focus is where it was. */
export function Dialog({ title, onClose, children }: Props) {
    const { t } = useShop();
    const id = useId();
    const dialog = useRef<HTMLDialogElement>(null);
    useEffect(() => {
        const before = document.activeElement;
        if (!dialog.current?.open) dialog.current?.showModal();
        return () => {
            if (before instanceof HTMLElement) before.focus();
        };
    }, []);
    const close = () => dialog.current?.close();
    return (
        <dialog ref={dialog} aria-labelledby={id} onClose={onClose}>
            <header>
                <h2 id={id}>{title}</h2>
                <button type="button" className="quiet" aria-label={t("閉じる", "Close")} onClick={close}>×</button>
            </header>
            {children}
        </dialog>
    );
}

export function FormDialog({ title, onClose, ...form }: FormProps & { title: string; onClose: () => void }) {
    return <Dialog title={title} onClose={onClose}><Form {...form} /></Dialog>;
}

type AskProps = Omit<FormProps, "submit"> & {
    button: string;
    title?: string;
    className?: string;
    /** What it answers is shown afterwards, as a secret that nobody sees again. */
    submit: (form: Values) => Promise<unknown>;
};

/** A button that asks first. */
export function Ask({ button, title = button, className, submit, ...form }: AskProps) {
    const [isOpen, setOpen] = useState(false);
    const [answer, setAnswer] = useState<ReactNode>();
    const close = () => {
        setOpen(false);
        setAnswer(undefined);
    };
    const ask = async (values: Values) => {
        const answer = await submit(values);
        if (isValidElement(answer)) setAnswer(answer);
        else close();
    };
    return (
        <>
            <button type="button" className={className} onClick={() => setOpen(true)}>{button}</button>
            {isOpen && <Dialog title={title} onClose={close}>{answer ?? <Form {...form} submit={ask} />}</Dialog>}
        </>
    );
}

type ActProps = { on: Actions; label: string; call: () => Promise<unknown>; done: string; className?: string };

/** A button that does something to what the page shows. */
export function Act({ on, label, call, done, className }: ActProps) {
    const act = () => void on.act(call, done);
    return <button type="button" className={className} disabled={on.isBusy} onClick={act}>{label}</button>;
}
