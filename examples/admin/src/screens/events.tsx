import type { Admin } from "@kakeuri/client";
import { useState } from "react";
import { exactTime } from "../format.ts";
import { useLoad } from "../hooks.ts";
import { useShop } from "../shop.tsx";
import { Actor, Heading, Pending, Problem, Said, Subject, Table } from "../ui/index.ts";

const HOUR = 3_600_000;
const SHOWN = 200;

/** The log of the last hour, and then as it is written. */
export function EventsScreen() {
    const { api, t, word } = useShop();
    const [isLive, setLive] = useState(false);
    const log = useLoad<Admin.Event[]>(async (signal, show) => {
        const from = new Date(Date.now() - HOUR).toISOString();
        let [events, place]: [Admin.Event[], { cursor?: string }] = [[], {}];
        for (let page: Admin.EventList | undefined; !page || page.data.length; ) {
            page = await api.get("/v1/admin/events", { query: { ...place, from, limit: 200 }, signal });
            place = { cursor: page.next_cursor };
            events = [...page.data.reverse(), ...events].slice(0, SHOWN);
        }
        show(events);
        setLive(true);
        try {
            for await (const { data } of api.stream("/v1/admin/events/stream", { query: place, signal }))
                show((events = [data, ...events].slice(0, SHOWN)));
        } finally {
            setLive(false);
        }
        return events;
    }, [api]);
    if (!log.data) return <Pending of={log} />;
    return (
        <>
            <Heading title={t("履歴", "Events")}>
                <span className={isLive ? "badge good" : "badge plain"} role="status">
                    {isLive ? t("ライブ", "live") : t("停止", "stopped")}
                </span>
            </Heading>
            <Problem error={log.error} reload={log.reload} />
            <Table caption={t("直近1時間の履歴", "The last hour")} rows={log.data} keyOf={({ id }) => id} columns={[
                [t("日時", "Time"), ({ created_at }) => exactTime(created_at)],
                [t("出来事", "Event"), ({ type }) => word("EventType", type)],
                [t("対象", "Subject"), ({ subject }) => <Subject subject={subject} />],
                [t("操作者", "By"), ({ actor }) => <Actor actor={actor} />],
                [t("内容", "What"), ({ data }) => <Said data={data} />, "wide"],
            ]} />
        </>
    );
}
