import type { Admin } from "@kakeuri/client";
import { useState } from "react";
import { count, time } from "../format.ts";
import { useActions, useList } from "../hooks.ts";
import { useRoute } from "../router.ts";
import { useShop } from "../shop.tsx";
import { Act, Badge, Card, Faults, Filters, Heading, JobProgress, ListTable, Problem } from "../ui/index.ts";

export function JobsScreen() {
    const { api, t, word } = useShop();
    const list = useList((query, signal) => api.get("/v1/admin/jobs", { query, signal }), [api]);
    return (
        <>
            <Heading title={t("一括処理", "Jobs")} reload={list.reload} />
            <ListTable caption={t("一括処理", "Jobs")} list={list} keyOf={({ id }) => id} columns={[
                [t("処理", "Job"), ({ id, kind, dry_run }) => (
                    <>
                        <a href={`#/jobs/${id}`}>{word("JobKind", kind)}</a>
                        {dry_run && <small>{t("検証のみ", "dry run")}</small>}
                    </>
                ), "wide"],
                [t("状態", "State"), ({ state }) => <Badge of="JobState" value={state} />],
                [t("受付", "Begun"), ({ created_at }) => time(created_at)],
                [t("進み具合", "Progress"), ({ done, total }) => `${count(done)} / ${count(total)}`, "number"],
                [word("ItemOutcome", "succeeded"), ({ succeeded }) => count(succeeded), "number"],
                [word("ItemOutcome", "refused"), ({ refused }) => count(refused), "number"],
            ]} />
        </>
    );
}

export function JobScreen({ id }: { id: string }) {
    const { api, t, code } = useShop();
    const { query } = useRoute();
    const path = { id };
    const filter = query as { outcome?: Admin.ItemOutcome };
    const list = useList(
        (place, signal) => api.get("/v1/admin/jobs/{id}/items", { path, query: { ...filter, ...place }, signal }),
        [api, id, filter.outcome],
    );
    const actions = useActions(list.reload);
    const [about, setAbout] = useState<string>();
    const onEnd = ({ kind }: Admin.Job) => {
        setAbout(kind.startsWith("member") ? "members" : "orders");
        list.reload();
    };
    return (
        <>
            <Heading up={["#/jobs", t("一括処理", "Jobs")]} title={t("一括処理の内容", "Job")}>
                <Act on={actions} label={t("中止する", "Stop it")} done={t("中止を求めました。", "It is told to stop.")}
                    call={() => api.post("/v1/admin/jobs/{id}/cancel", { path })} />
            </Heading>
            <Problem error={actions.error} />
            <JobProgress id={id} onEnd={onEnd} />
            <Card title={t("明細", "Items")}>
                <Filters path={`jobs/${id}`} query={query} by={[["outcome", t("結果", "Outcome"), "ItemOutcome"]]} />
                <ListTable caption={t("明細", "Items")} list={list} keyOf={(item) => item.id} columns={[
                    [t("行", "Line"), (item) => item.line ?? item.id, "tick"],
                    [t("結果", "Outcome"), (item) => <Badge of="ItemOutcome" value={item.outcome} />],
                    [t("内容", "What"), (item) => (
                        <>{item.code && code(item.code)}<Faults faults={item.errors} /></>
                    ), "wide"],
                    [t("対象", "Subject"), ({ subject }) => subject && about && (
                        <a href={`#/${about}/${subject}`}>…{subject.slice(-6)}</a>
                    )],
                ]} />
            </Card>
        </>
    );
}
