import { inStorage, storefront, type Storefront, type StorefrontClient } from "@kakeuri/client";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo } from "react";
import { kept, useKept } from "./kept";
import { useLoad } from "./load";
import { type Language, type Say, textsIn } from "./texts";

/** What `/examples/config.json` says: the shop, which the API knows by its key. */
export type Settings = { publishable_key: string; store: string };
type Enumeration = "BuyerState" | "HandlingStatus" | "MemberStatus" | "PaymentMethod" | "PaymentStatus";

export type Shop = {
    api: StorefrontClient;
    config: Storefront.StorefrontConfig;
    isDemo: boolean;
    language: Language;
    isLoggedIn: boolean;
    t: Say;
    /** The vocabulary's label of a value. */
    label: (enumeration: Enumeration, value: string) => string;
    yen: (amount: number) => string;
    time: (at: string) => string;
};

const language = kept<Language>("language", "ja");
const session = kept<object | null>("session", null);
// The client reads and writes the session; the page only watches whether there is one.
const sessionStore = inStorage({
    getItem: () => JSON.stringify(session.get()),
    setItem: (_, value) => session.set(JSON.parse(value) as object | null),
});

const ShopContext = createContext<Shop | undefined>(undefined);

export function useShop(): Shop {
    const shop = useContext(ShopContext);
    if (!shop) throw new Error("useShop is for what stands below ShopProvider");
    return shop;
}

export function switchLanguage(): void {
    language.set(language.get() === "ja" ? "en" : "ja");
}

type ProviderProps = {
    settings: Settings;
    /** What stands there as long as the shop is not loaded, or if it cannot be. */
    instead: (state: { t: Say; error: unknown; retry: () => void }) => ReactNode;
    children: ReactNode;
};

export function ShopProvider({ settings, instead, children }: ProviderProps) {
    const inLanguage = useKept(language);
    const isLoggedIn = useKept(session) !== null;
    const t = useMemo(() => textsIn(inLanguage), [inLanguage]);
    const api = useMemo(
        () => storefront({ baseUrl: "", publishableKey: settings.publishable_key, language: inLanguage, sessionStore }),
        [settings, inLanguage],
    );
    const load = useCallback(
        (signal: AbortSignal) =>
            Promise.all([api.get("/v1/storefront/config", { signal }), api.get("/v1/vocabulary", { signal })]),
        [api],
    );
    const { data, error, reload } = useLoad(load);
    useEffect(() => {
        document.documentElement.lang = inLanguage;
    }, [inLanguage]);
    const shop = useMemo<Shop | undefined>(() => {
        if (!data) return undefined;
        const [config, { enums }] = data;
        const amount = new Intl.NumberFormat(inLanguage);
        const moment = new Intl.DateTimeFormat(inLanguage, { dateStyle: "medium", timeStyle: "short" });
        return {
            api,
            config,
            isDemo: settings.store === "demo",
            language: inLanguage,
            isLoggedIn,
            t,
            label: (enumeration, value) =>
                enums[enumeration]?.find((word) => word.value === value)?.[inLanguage] ?? value,
            yen: (yen) => (inLanguage === "ja" ? `${amount.format(yen)}円` : `¥${amount.format(yen)}`),
            time: (at) => moment.format(new Date(at)),
        };
    }, [api, data, inLanguage, isLoggedIn, settings, t]);
    if (!shop) return instead({ t, error, retry: reload });
    return <ShopContext value={shop}>{children}</ShopContext>;
}
