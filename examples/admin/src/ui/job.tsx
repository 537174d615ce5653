import type { Admin } from "@kakeuri/client";
import { count } from "../format.ts";
import { useJob } from "../hooks.ts";
import { useShop } from "../shop.tsx";
import { Badge } from "./bits.tsx";
import { Pending, Problem } from "./problem.tsx";

/** A job's bar and counts, live. */
export function JobProgress({ id, onEnd }: { id: string; onEnd: (job: Admin.Job) => void }) {
    const { t, word } = useShop();
    const job = useJob(id, onEnd);
    if (!job.data) return <Pending of={job} />;
    const { kind, state, dry_run, total, done, finished_at, succeeded, refused, unknown, skipped } = job.data;
    const counts = Object.entries({ succeeded, refused, unknown, skipped }).filter(([, value]) => value > 0);
    return (
        <section className="job" aria-label={word("JobKind", kind)}>
            <Problem error={job.error} reload={job.reload} />
            <p>
                <a href={`#/jobs/${id}`}>{word("JobKind", kind)}</a> <Badge of="JobState" value={state} />
                {dry_run && <span className="badge plain">{t("検証のみ", "dry run")}</span>}
            </p>
            <progress aria-label={t("進み具合", "Progress")} max={Math.max(total, 1)}
                value={finished_at && !total ? 1 : done} />
            <p className="counts" role="status">
                {count(done)} / {count(total)}
                {counts.map(([name, value]) => <span key={name}>{word("ItemOutcome", name)} {count(value)}</span>)}
            </p>
        </section>
    );
}
