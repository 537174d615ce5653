import type { Admin } from "@kakeuri/client";
import { exactTime } from "../format.ts";
import { useShop } from "../shop.tsx";

const PAGES = ["order", "member", "job", "webhook", "client", "user"];

export function Subject({ subject: { type, id } }: { subject: Admin.EventSubject }) {
    const name = `${type} …${id.slice(-6)}`;
    return PAGES.includes(type) ? <a href={`#/${type}s/${id}`}>{name}</a> : name;
}

/** Who did it: whoever is logged in by his name, others by what they are. */
export function Actor({ actor }: { actor: string }) {
    const { t, me } = useShop();
    const [kind = ""] = actor.split(":");
    const names = { user: t("スタッフ", "staff"), member: t("会員", "member"), client: t("連携先", "partner") };
    return actor === `user:${me?.id}` ? me?.name : (new Map(Object.entries(names)).get(kind) ?? actor);
}

/** What an event says beside its type. */
export function Said({ data }: { data: unknown }) {
    const said = Object.entries(data ?? {}).filter(([, value]) => value !== null);
    const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
    return <code className="said">{said.map(([name, value]) => `${name}: ${text(value)}`).join(", ")}</code>;
}

/** What happened, and what Paid was asked, in that order. */
export function Timeline({ entries }: { entries: Admin.TimelineEntry[] }) {
    const { word, paidCode } = useShop();
    return (
        <ol className="timeline">
            {entries.map((entry) => (
                <li key={entry.id} className={entry.kind}>
                    <time dateTime={entry.created_at}>{exactTime(entry.created_at)}</time>
                    {entry.kind === "event" ? (
                        <div>
                            <strong>{word("EventType", entry.type)}</strong> <Actor actor={entry.actor} />
                            <Said data={entry.data} />
                        </div>
                    ) : (
                        <div>
                            Paid: <code>{entry.call}</code> {entry.outcome} {entry.codes.map(paidCode).join(" / ")}{" "}
                            <span className="faint">{entry.duration_ms} ms</span>
                        </div>
                    )}
                </li>
            ))}
        </ol>
    );
}
