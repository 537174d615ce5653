import { type InputHTMLAttributes, type ReactNode, useContext, useId } from "react";
import { useShop } from "../shop.tsx";
import { Faulty } from "./form.tsx";
import { isAbout } from "./problem.tsx";

type Labelled = { name: string; label: string; hint?: ReactNode };
type Choice = { value: string; label: string };

/** Ties a field to its label, its hint and its faults. */
function useField({ name, label, hint }: Labelled) {
    const id = useId();
    const faults = useContext(Faulty).filter(({ pointer }) => isAbout(name, pointer));
    const isFaulty = faults.length > 0;
    const described = [hint && `${id}-hint`, isFaulty && `${id}-fault`].filter(Boolean).join(" ");
    const about = { ...(described && { "aria-describedby": described }), ...(isFaulty && { "aria-invalid": true }) };
    const notes = (
        <>
            {hint && <span className="hint" id={`${id}-hint`}>{hint}</span>}
            {isFaulty && <span className="fault" id={`${id}-fault`}>{faults.map((one) => one.message).join(" ")}</span>}
        </>
    );
    const title = <label htmlFor={id}>{label}</label>;
    const under = (control: ReactNode) => <div className="field">{title}{control}{notes}</div>;
    const beside = (control: ReactNode) => <div className="field check">{control}{title}{notes}</div>;
    return { id, about, notes, input: { id, name, ...about }, under, beside };
}

type FieldProps = Omit<InputHTMLAttributes<HTMLInputElement>, keyof Labelled> & Labelled;

export function Field({ name, label, hint, ...attributes }: FieldProps) {
    const { under, input } = useField({ name, label, hint });
    return under(<input type="text" autoComplete="off" {...attributes} {...input} />);
}

export function Check({ defaultChecked = false, ...labelled }: Labelled & { defaultChecked?: boolean }) {
    const { beside, input } = useField(labelled);
    return beside(<input type="checkbox" defaultChecked={defaultChecked} {...input} />);
}

export function TextArea({ defaultValue = "", ...labelled }: Labelled & { defaultValue?: string }) {
    const { under, input } = useField(labelled);
    return under(<textarea rows={3} defaultValue={defaultValue} {...input} />);
}

/** Why something is done, which the service keeps. */
export function Reason() {
    const { t } = useShop();
    const hint = t("履歴に残ります。", "It is kept in the log.");
    return <TextArea name="/reason" label={t("理由", "Reason")} hint={hint} />;
}

export function Select({ choices, chosen, ...labelled }: Labelled & { choices: Choice[]; chosen: string }) {
    const { under, input } = useField(labelled);
    const options = choices.map(({ value, label }) => <option key={value} value={value}>{label}</option>);
    return under(<select defaultValue={chosen} {...input}>{options}</select>);
}

type ChoicesProps = Labelled & { choices: Choice[]; type: "radio" | "checkbox"; chosen?: string[] };

export function Choices({ choices, type, chosen = [], ...labelled }: ChoicesProps) {
    const { id, about: { "aria-invalid": isFaulty, ...described }, notes } = useField(labelled);
    return (
        <fieldset className={choices.length > 6 ? "field choices many" : "field choices"} {...described}>
            <legend>{labelled.label}</legend>
            <div>
                {choices.map(({ value, label }) => (
                    <label key={value} htmlFor={`${id}-${value}`}>
                        <input id={`${id}-${value}`} type={type} name={labelled.name} value={value}
                            defaultChecked={chosen.includes(value)} aria-invalid={isFaulty} />
                        {label}
                    </label>
                ))}
            </div>
            {notes}
        </fieldset>
    );
}
