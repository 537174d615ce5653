import type { Admin } from "@kakeuri/client";
import { useState } from "react";
import { time } from "../format.ts";
import { useAction, useList } from "../hooks.ts";
import { go, useRoute } from "../router.ts";
import { useShop } from "../shop.tsx";
import {
    Ask, Badge, Check, type Column, Export, Field, Filters, Heading, JobProgress, ListTable, Problem,
} from "../ui/index.ts";

type Filter = NonNullable<Admin.paths["/v1/admin/members"]["get"]["parameters"]["query"]>;

export function MembersScreen() {
    const { api, t, can } = useShop();
    const { query } = useRoute();
    // What the address says is for the service to judge.
    const filter = query as Filter;
    const list = useList(
        (place, signal) => api.get("/v1/admin/members", { query: { ...filter, ...place }, signal }),
        [api, JSON.stringify(query)],
    );
    const [ticked, setTicked] = useState<string[]>([]);
    const [job, setJob] = useState<string>();
    const bulk = useAction(async (begin: () => Promise<Admin.Job>) => {
        setJob((await begin()).id);
        setTicked([]);
    });
    const refresh = () => {
        const body = ticked.length ? { member_ids: ticked } : { filter };
        return api.post("/v1/admin/members/paid/refresh", { body });
    };
    const submit = () => api.post("/v1/admin/members/paid/applications", { body: { member_ids: ticked } });
    const tick = (id: string) => {
        setTicked(ticked.includes(id) ? ticked.filter((one) => one !== id) : [...ticked, id]);
    };

    const columns: Column<Admin.Member>[] = [
        [t("会員番号", "Number"), ({ id, number }) => <a href={`#/members/${id}`}>{number}</a>],
        [t("会社名", "Company"), ({ company_name, email }) => <>{company_name}<small>{email}</small></>, "wide"],
        [t("会員", "Member"), ({ status }) => <Badge of="MemberStatus" value={status} />],
        [t("Paid申請", "Application"), ({ paid }) => <Badge of="ApplicationStatus" value={paid.application_status} />],
        [t("Paid最終確認", "Checked"), ({ paid }) => time(paid.checked_at)],
        [t("登録", "Created"), ({ created_at }) => time(created_at)],
    ];
    if (can("members:write")) columns.unshift([t("選択", "Select"), ({ id, company_name }) => (
        <input type="checkbox" aria-label={company_name} checked={ticked.includes(id)} onChange={() => tick(id)} />
    ), "tick"]);
    return (
        <>
            <Heading title={t("会員", "Members")}>
                <Export name="members.csv" get={(options) => (
                    api.get("/v1/admin/members/export", { query: { ...filter, ...options } })
                )} />
                {can("members:write") && (
                    <>
                        <Import />
                        <button type="button" disabled={bulk.isBusy} onClick={() => void bulk.run(refresh)}>
                            {ticked.length ? t(`${ticked.length}社のPaid状態を更新`, `Refresh ${ticked.length}`) :
                                t("Paid状態を一括更新", "Refresh all of these")}
                        </button>
                        {ticked.length > 0 && (
                            <button type="button" className="primary" disabled={bulk.isBusy}
                                onClick={() => void bulk.run(submit)}>
                                {t(`${ticked.length}社を申請する`, `Submit ${ticked.length}`)}
                            </button>
                        )}
                    </>
                )}
            </Heading>
            <Problem error={bulk.error} />
            {job && <JobProgress key={job} id={job} onEnd={list.reload} />}
            <Filters path="members" query={query} search={t("会社名・メール・番号", "Company, e-mail or number")} by={[
                ["status", t("会員ステータス", "Member"), "MemberStatus"],
                ["application_status", t("Paid申請", "Application"), "ApplicationStatus"],
            ]} />
            <ListTable caption={t("会員", "Members")} list={list} columns={columns} keyOf={({ id }) => id} />
        </>
    );
}

function Import() {
    const { api, t } = useShop();
    return (
        <Ask button={t("CSV取込", "Import CSV")} label={t("取り込む", "Import")} submit={async (form) => {
            const query = { dry_run: form.isChecked("dry_run"), atomic: form.isChecked("atomic") };
            const { id } = await api.post("/v1/admin/members/import", { query, body: form.file("file") });
            go(`jobs/${id}`);
        }}>
            <Field name="file" type="file" accept=".csv,text/csv" label={t("CSVファイル", "CSV file")}
                hint={t("UTF-8またはShift_JIS", "UTF-8 or Shift_JIS")} />
            <Check name="dry_run" label={t("検証のみ（保存しない）", "Dry run: write nothing")} />
            <Check name="atomic" label={t("1行でも誤りがあれば取り込まない", "All rows or none")} />
        </Ask>
    );
}
