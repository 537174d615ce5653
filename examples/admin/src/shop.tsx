import { admin, type Admin, type AdminClient, inStorage, isProblem } from "@kakeuri/client";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from "react";
import { Field, FormDialog } from "./ui/index.ts";

export type Language = "ja" | "en";
export type Shop = ReturnType<typeof wordsOf> & {
    api: AdminClient;
    language: Language;
    setLanguage: (language: Language) => void;
    isLoggedIn: boolean;
    /** Who is logged in, and what the service lets him do. */
    me: Admin.Me | undefined;
    can: (scope: Admin.Scope) => boolean;
    setMe: (me: Admin.Me) => void;
    /** Does a call; where the service asks again who one is, it is done once more after the dialog. */
    again: <T>(call: () => Promise<T>) => Promise<T>;
    /** Tells those who look and those who listen that something was done. */
    notify: (message: string) => void;
    notice: string;
};

const Context = createContext<Shop | undefined>(undefined);
const sessionStore = inStorage(localStorage, "kakeuri.admin");
const LANGUAGE = "kakeuri.admin.language";

export function useShop(): Shop {
    const shop = useContext(Context);
    if (!shop) throw new Error("useShop is for what is inside of ShopProvider");
    return shop;
}

/** What is written on the screen: texts of its own by `t`, and every label as the service words it. */
function wordsOf(vocabulary: Admin.Vocabulary | undefined, language: Language) {
    const label = (words: Admin.Word[] | undefined, value: string) =>
        words?.find((word) => word.value === value)?.[language] ?? value;
    return {
        t: (ja: string, en: string) => (language === "ja" ? ja : en),
        word: (name: string, value: string) => label(vocabulary?.enums[name], value) || "—",
        choices: (name: string) =>
            (vocabulary?.enums[name] ?? []).map((word) => ({ value: word.value, label: word[language] || "—" })),
        code: (value: string) => label(vocabulary?.codes, value),
        paidCode: (value: string) => `${value} ${label(vocabulary?.paid_codes, value).replace(value, "")}`.trim(),
    };
}

export function ShopProvider({ children }: { children: ReactNode }) {
    const [language, setLanguage] = useState<Language>(() => (localStorage.getItem(LANGUAGE) === "en" ? "en" : "ja"));
    const [isLoggedIn, setLoggedIn] = useState(() => sessionStore.get() !== undefined);
    const [me, setMe] = useState<Admin.Me>();
    const [vocabulary, setVocabulary] = useState<Admin.Vocabulary>();
    const [notice, setNotice] = useState("");
    const [isAsking, setAsking] = useState(false);
    const answer = useRef<(isShown: boolean) => void>(undefined);

    const api = useMemo(() => {
        const onSession = (session: unknown) => setLoggedIn(session !== undefined);
        return admin({ baseUrl: "", language, sessionStore, onSession });
    }, [language]);
    useEffect(() => {
        document.documentElement.lang = language;
        document.title = language === "ja" ? "掛売り管理" : "Kakeuri admin";
        localStorage.setItem(LANGUAGE, language);
    }, [language]);
    useEffect(() => {
        // Without the words a screen shows the values themselves.
        api.get("/v1/vocabulary").then(setVocabulary, () => undefined);
        const inAnotherTab = () => setLoggedIn(sessionStore.get() !== undefined);
        addEventListener("storage", inAnotherTab);
        return () => removeEventListener("storage", inAnotherTab);
    }, [api]);
    useEffect(() => {
        const timer = setTimeout(() => setNotice(""), 6000);
        return () => clearTimeout(timer);
    }, [notice]);

    const shop = useMemo<Shop>(() => {
        const askWhoItIs = () =>
            new Promise<boolean>((resolve) => {
                answer.current = resolve;
                setAsking(true);
            });
        const again = async <T,>(call: () => Promise<T>): Promise<T> => {
            try {
                return await call();
            } catch (error) {
                if (!isProblem(error, "step_up_required") || !(await askWhoItIs())) throw error;
                return await call();
            }
        };
        const can = (scope: Admin.Scope) => me?.scopes.includes(scope) ?? false;
        const words = wordsOf(vocabulary, language);
        return { api, language, setLanguage, isLoggedIn, me, can, setMe, again, notify: setNotice, notice, ...words };
    }, [api, language, isLoggedIn, me, vocabulary, notice]);

    const end = (isShown: boolean) => {
        setAsking(false);
        answer.current?.(isShown);
    };
    return (
        <Context value={shop}>
            {children}
            {isAsking && <StepUp end={end} />}
        </Context>
    );
}

/** Asks again who one is; the call that was refused is then repeated. */
function StepUp({ end }: { end: (isShown: boolean) => void }) {
    const { api, t } = useShop();
    const show = async (password: string) => {
        await api.post("/v1/admin/sessions/step-up", { body: { password } });
        end(true);
    };
    return (
        <FormDialog title={t("本人確認", "Who you are")} label={t("続ける", "Go on")} onClose={() => end(false)}
            submit={(form) => show(form.text("/password"))}>
            <p>{t("重要な操作のため、パスワードをもう一度入力してください。", "This matters: please enter your password again.")}</p>
            <Field name="/password" type="password" label={t("パスワード", "Password")} autoComplete="current-password" />
        </FormDialog>
    );
}
