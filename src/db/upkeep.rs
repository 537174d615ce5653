//! Dropping what nobody can use any more, of every store: upkeep of the service, not of a caller. Always in portions, each
//! a statement of its own, so that nobody waits for it and a long neglect is made up for over several rounds.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// How many rows go in one statement.
const PORTION: usize = 1000;

/// How many statements one round makes of one kind.
const PORTIONS: usize = 20;

/// As many for idempotency keys, of which a busy minute makes tens of thousands: they must go as fast as they come.
const PORTIONS_OF_KEYS: usize = 200;

/// What is dropped. In each statement `$1` is the moment before which a row is too old, and `$2` how many may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obsolete {
    /// Idempotency keys that were first used before the moment, a day ago, and that no request has held since.
    Keys,
    /// Logins that ended, or can no longer be refreshed, since the moment.
    Sessions,
    /// One-time tokens that ended before the moment.
    PasswordTokens,
    /// What clients have signed that would be taken no more at the moment.
    ClientAssertions,
    /// Deliveries to webhooks that were last tried before the moment, and are over.
    WebhookDeliveries,
    /// The items of jobs that ended before the moment.
    JobItems,
    /// Jobs without items that ended before the moment.
    Jobs,
    /// What is left of the portions of jobs that ended until the moment: whoever works on one still finds it gone. Rows
    /// of a file that were not begun keep their lines, for the list of items.
    JobPortions,
    /// The rows of those.
    Rows,
}

impl Obsolete {
    fn portions(self) -> usize {
        match self {
            Self::Keys => PORTIONS_OF_KEYS,
            Self::Sessions
            | Self::PasswordTokens
            | Self::ClientAssertions
            | Self::WebhookDeliveries
            | Self::JobItems
            | Self::Jobs
            | Self::JobPortions
            | Self::Rows => PORTIONS,
        }
    }

    fn statement(self) -> &'static str {
        match self {
            Self::Keys => {
                "DELETE FROM idempotency_keys WHERE (store_id, caller, key) IN ( \
                     SELECT store_id, caller, key FROM idempotency_keys \
                     WHERE created_at < $1 AND locked_until < $1 + INTERVAL '24 hours' \
                     ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::Sessions => {
                "DELETE FROM sessions WHERE (store_id, id) IN ( \
                     SELECT store_id, id FROM sessions WHERE least(expires_at, ended_at) < $1 \
                     LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::PasswordTokens => {
                "DELETE FROM password_tokens WHERE (store_id, id) IN ( \
                     SELECT store_id, id FROM password_tokens WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::ClientAssertions => {
                "DELETE FROM client_assertions WHERE (store_id, client_id, jti_hash) IN ( \
                     SELECT store_id, client_id, jti_hash FROM client_assertions WHERE expires_at < $1 \
                     LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::WebhookDeliveries => {
                "DELETE FROM webhook_deliveries WHERE (store_id, webhook_id, event_id) IN ( \
                     SELECT store_id, webhook_id, event_id FROM webhook_deliveries \
                     WHERE state <> 'pending' AND coalesce(attempted_at, created_at) < $1 \
                     LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::JobItems => {
                "DELETE FROM job_items WHERE (store_id, job_id, position) IN ( \
                     SELECT item.store_id, item.job_id, item.position \
                     FROM jobs JOIN job_items AS item ON item.store_id = jobs.store_id AND item.job_id = jobs.id \
                     WHERE jobs.finished_at < $1 LIMIT $2)"
            }
            Self::Jobs => {
                "DELETE FROM jobs WHERE (store_id, id) IN ( \
                     SELECT store_id, id FROM jobs WHERE finished_at < $1 AND NOT EXISTS ( \
                         SELECT FROM job_items AS item WHERE item.store_id = jobs.store_id AND item.job_id = jobs.id) \
                     LIMIT $2 FOR UPDATE SKIP LOCKED)"
            }
            Self::JobPortions => {
                "DELETE FROM job_portions WHERE (store_id, job_id, number) IN ( \
                     SELECT portion.store_id, portion.job_id, portion.number FROM jobs JOIN job_portions AS portion \
                         ON portion.store_id = jobs.store_id AND portion.job_id = jobs.id \
                     WHERE jobs.finished_at <= $1 \
                         AND (portion.done_at IS NOT NULL OR portion.lines IS NULL \
                             AND (portion.lease_until IS NULL OR portion.lease_until <= $1)) \
                     LIMIT $2)"
            }
            Self::Rows => {
                "UPDATE job_portions SET input = NULL, staged = NULL, staged_members = NULL \
                 WHERE (store_id, job_id, number) IN ( \
                     SELECT portion.store_id, portion.job_id, portion.number FROM jobs JOIN job_portions AS portion \
                         ON portion.store_id = jobs.store_id AND portion.job_id = jobs.id \
                     WHERE jobs.finished_at <= $1 AND portion.input IS NOT NULL \
                         AND (portion.lease_until IS NULL OR portion.lease_until <= $1) \
                     LIMIT $2)"
            }
        }
    }
}

/// Drops what became useless before a moment, as far as one round goes. Says how many rows that were.
pub async fn purge(
    kind: Obsolete,
    before: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<usize> {
    let mut purged = 0;
    for _ in 0..kind.portions() {
        let statement = diesel::sql_query(kind.statement());
        let gone = statement
            .bind::<Timestamptz, _>(before)
            .bind::<BigInt, _>(PORTION as i64)
            .execute(conn)
            .await?;
        purged += gone;
        if gone < PORTION {
            break;
        }
    }
    Ok(purged)
}
