import { Field, type FieldName } from "./parts";
import { useShop } from "./shop";

type Given = { type?: "tel" | "url" | "number" | "area"; required?: true; autoComplete?: string };
type Fields = Partial<Record<FieldName, Given>>;
type Group = { title: "company" | "contact" | "representative" | "business"; fields: Fields };

/** The profile, as the documents have it: each field by its pointer. */
const COMPANY: Group = {
    title: "company",
    fields: {
        "/company_name": { required: true, autoComplete: "organization" },
        "/company_name_kana": {},
        "/postal_code": { autoComplete: "postal-code" },
        "/prefecture": { autoComplete: "address-level1" },
        "/city": { autoComplete: "address-level2" },
        "/street": { autoComplete: "address-line1" },
        "/building": { autoComplete: "address-line2" },
        "/phone": { type: "tel", required: true, autoComplete: "tel" },
        "/mobile_phone": { type: "tel" },
        "/fax": { type: "tel" },
    },
};
const CONTACT: Group = {
    title: "contact",
    fields: {
        "/contact/family_name": { required: true, autoComplete: "family-name" },
        "/contact/given_name": { required: true, autoComplete: "given-name" },
        "/contact/family_name_kana": {},
        "/contact/given_name_kana": {},
    },
};
const REPRESENTATIVE: Group = {
    title: "representative",
    fields: {
        "/representative/family_name": {},
        "/representative/given_name": {},
        "/representative/family_name_kana": {},
        "/representative/given_name_kana": {},
    },
};
const BUSINESS: Group = {
    title: "business",
    fields: {
        "/founded_year": { type: "number" },
        "/founded_month": { type: "number" },
        "/annual_sales": { type: "number" },
        "/business_type": { type: "number" },
        "/shop_count": { type: "number" },
        "/closing_day": { type: "number" },
        "/paid_payment_method": { type: "number" },
        "/brands": {},
        "/urls/0": { type: "url" },
        "/urls/1": { type: "url" },
        "/urls/2": { type: "url" },
        "/profile": { type: "area" },
    },
};
const GROUPS = [COMPANY, CONTACT, REPRESENTATIVE, BUSINESS];
const FIELDS = Object.assign({ "/email": { required: true } }, ...GROUPS.map(({ fields }) => fields)) as Fields;

/** The fields of a profile; what a member has is in them. */
export function ProfileFields({ of }: { of?: object }) {
    const { t } = useShop();
    return GROUPS.map(({ title, fields }) => (
        <fieldset key={title}>
            <legend>{t(title)}</legend>
            <div className={`fields ${title}`}>
                {Object.entries(fields).map(([name, given]) => (
                    <Field key={name} name={name as FieldName} value={textAt(of, name)} {...given} />
                ))}
            </div>
        </fieldset>
    ));
}

function textAt(value: unknown, pointer: string): string {
    const steps = pointer.split("/").slice(1);
    const found = steps.reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], value);
    return typeof found === "string" || typeof found === "number" ? `${found}` : "";
}

/** What was filled in, as a body. */
export function filledIn(form: FormData): object {
    return bodyOf(form, (text) => text !== "");
}

/** What was changed, as a body: a field that was emptied is `null`, unless it has to be there. */
export function changedIn(form: FormData, member: object): object {
    return bodyOf(form, (text, name) => text !== textAt(member, name));
}

function bodyOf(form: FormData, counts: (text: string, name: string) => boolean): object {
    const body: Record<string, unknown> = {};
    for (const [name, given] of Object.entries(FIELDS)) {
        const text = textIn(form, name);
        if (!counts(text, name)) continue;
        const [, first = "", second] = name.split("/");
        // A list is sent whole.
        if (first === "urls") body["urls"] = [0, 1, 2].map((n) => textIn(form, `/urls/${n}`)).filter(Boolean);
        else if (second) body[first] = { ...(body[first] as object | undefined), [second]: valueOf(text, given) };
        else body[first] = valueOf(text, given);
    }
    return body;
}

function textIn(form: FormData, name: string): string {
    const text = form.get(name);
    return typeof text === "string" ? text.trim() : "";
}

// What is no number is sent as it is: the service tells what is wrong with it.
function valueOf(text: string, { type, required }: Given): string | number | null {
    if (text === "") return required ? "" : null;
    return type === "number" && /^\d{1,15}$/.test(text) ? Number(text) : text;
}
