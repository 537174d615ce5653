const JAPAN = { timeZone: "Asia/Tokyo" };
const amount = new Intl.NumberFormat("ja-JP", { style: "currency", currency: "JPY", currencyDisplay: "narrowSymbol" });
const minute = new Intl.DateTimeFormat("sv-SE", { ...JAPAN, dateStyle: "short", timeStyle: "short" });
const second = new Intl.DateTimeFormat("sv-SE", { ...JAPAN, dateStyle: "short", timeStyle: "medium" });

/** `¥12,345`, with a half-width sign whatever the fonts. */
export const yen = (value: number) => amount.format(value).replace("￥", "¥");
export const count = (value: number) => value.toLocaleString("ja-JP");
/** Japan's time, as `2026-11-24 12:15`. */
export const time = (value: string | null | undefined) => (value ? minute.format(new Date(value)) : "—");
export const exactTime = (value: string) => second.format(new Date(value));
