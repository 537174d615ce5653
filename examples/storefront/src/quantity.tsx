import { useState } from "react";
import { useShop } from "./shop";

type Props = { name: string; value: number; onChange: (quantity: number) => void };

/** How many: by keys, or one more and one less. */
export function Quantity({ name, value, onChange }: Props) {
    const { t } = useShop();
    const [typed, setTyped] = useState<string>();
    const type = (text: string) => {
        const isWhole = /^[1-9]\d{0,8}$/.test(text);
        setTyped(isWhole ? undefined : text);
        if (isWhole) onChange(Number(text));
    };
    return (
        <div className="quantity">
            <button type="button" aria-label={t("fewer", { name })} aria-disabled={value <= 1}
                onClick={() => onChange(Math.max(1, value - 1))}>−</button>
            <input inputMode="numeric" aria-label={t("quantityOf", { name })} value={typed ?? value} autoComplete="off"
                onChange={(event) => type(event.target.value)} onBlur={() => setTyped(undefined)} />
            <button type="button" aria-label={t("further", { name })} onClick={() => onChange(value + 1)}>+</button>
        </div>
    );
}
