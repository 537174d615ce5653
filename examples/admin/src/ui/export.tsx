import { useShop } from "../shop.tsx";
import { Ask } from "./dialog.tsx";
import { Choices } from "./fields.tsx";

type Options = { encoding: "utf-8" | "shift_jis"; lang: "ja" | "en" };

/** Gives what a list shows to whoever sits at the screen, as a file. */
export function Export({ name, get }: { name: string; get: (options: Options) => Promise<Blob> }) {
    const { t, choices, language: lang } = useShop();
    return (
        <Ask button={t("CSV出力", "Export CSV")} label={t("出力する", "Export")} submit={async (form) => {
            const file = await get({ encoding: form.text("encoding") as Options["encoding"], lang });
            const link = document.createElement("a");
            link.href = URL.createObjectURL(file);
            link.download = name;
            link.click();
            URL.revokeObjectURL(link.href);
        }}>
            <p>{t("一覧と同じ条件のものを出力します。", "What the list shows is exported.")}</p>
            <Choices name="encoding" type="radio" label={t("文字コード", "Encoding")} choices={choices("CsvEncoding")}
                chosen={["utf-8"]} />
        </Ask>
    );
}
