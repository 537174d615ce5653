//! Seals of the event log, and whether they still fit: "What stands in the log stays as it was", docs/rules.md.
//!
//! Nothing of it is in the way of who writes to the log: a worker seals what is complete, a moment later. A seal is made with a key
//! that the database does not hold, so that nobody who can write to the database alone makes one that fits.

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::HEXLOWER;
use diesel_async::{AsyncConnection as _, AsyncPgConnection};

use super::event_log;
use crate::app::App;
use crate::crypto::{hash, same};
use crate::db::event::{self, Event, Filter};
use crate::db::event_seal::{self, EventSeal};
use crate::domain::StoreId;
use crate::error::Error;

/// How many lines one seal is of, at most.
const PORTION: i64 = 1000;

/// How many seals of one store are made in one round.
const ROUND: usize = 100;

/// How many stores are looked for at once, and how many seals at a look.
const MANY: i64 = 200;

/// How soon after its last line a seal is made.
const SOON: TimeDelta = TimeDelta::hours(1);

/// Bytes of a mark.
const MARK: usize = 8;

/// Seals what the logs of all stores hold by now. Says how many seals that were.
pub async fn seal_due(app: &App) -> Result<usize, Error> {
    let (mut sealed, mut after) = (0, None);
    loop {
        let due = event_seal::due(MANY, after, &*app.db().await?).await?;
        let Some(last) = due.last() else {
            return Ok(sealed);
        };
        after = Some(*last);
        for store in due {
            // One whose log is being written to at length keeps no other waiting.
            match seal(app, store).await {
                Ok(seals) => sealed += seals,
                Err(error) => tracing::warn!(%error, %store, "the event log was not sealed"),
            }
        }
    }
}

/// Seals what a store's log holds by now.
pub async fn seal(app: &App, store: StoreId) -> Result<usize, Error> {
    let end = event_log::end(app, store, 0).await?;
    for sealed in 0..ROUND {
        let conn = &mut *app.db().await?;
        let more = conn
            .transaction(async |conn| {
                let last = event_seal::lock_last(store, conn).await?;
                let next = next(app, store, last.as_ref(), end, conn).await?;
                if let Some(next) = &next {
                    event_seal::insert(next, conn).await?;
                }
                Ok::<_, Error>(next.is_some())
            })
            .await?;
        if !more {
            return Ok(sealed);
        }
    }
    Ok(ROUND)
}

async fn next(
    app: &App,
    store: StoreId,
    last: Option<&EventSeal>,
    end: i64,
    conn: &AsyncPgConnection,
) -> Result<Option<EventSeal>, Error> {
    let from = last.map_or(0, |last| last.last_seq);
    let lines = event::between(store, from, end, &Filter::default(), PORTION, conn).await?;
    let Some(newest) = lines.last() else {
        return Ok(None);
    };
    let hashes: Vec<_> = lines.iter().map(hash_of).collect();
    let mut next = EventSeal {
        store_id: store,
        last_seq: newest.seq,
        last_at: newest.created_at,
        seal: Vec::new(),
        marks: marks_of(&hashes),
        sealed_at: app.clock.now(),
        dropped: None,
    };
    next.seal = seal_of(app, last, &next, &hashes);
    // Outside of the database too.
    let seal = HEXLOWER.encode(&next.seal);
    tracing::info!(%store, place = next.last_seq, seal, "the event log was sealed");
    Ok(Some(next))
}

/// Times as PostgreSQL keeps them, to the microsecond.
fn seal_of(app: &App, last: Option<&EventSeal>, seal: &EventSeal, hashes: &[Vec<u8>]) -> Vec<u8> {
    let before = last.map_or(&[][..], |last| &last.seal);
    let times = [seal.last_at, seal.sealed_at].map(|at| at.timestamp_micros().to_be_bytes());
    app.keys.fingerprint(&[
        b"seal of the event log",
        seal.store_id.0.as_bytes(),
        before,
        &times.concat(),
        &hashes.concat(),
    ])
}

/// That the lines of a seal were dropped. Whoever can write to the database alone cannot say it.
fn dropped(app: &App, seal: &EventSeal) -> Vec<u8> {
    app.keys.fingerprint(&[
        b"lines were dropped",
        seal.store_id.0.as_bytes(),
        &seal.last_seq.to_be_bytes(),
        &seal.last_at.timestamp_micros().to_be_bytes(),
        &seal.seal,
    ])
}

/// Of all that a line says, unambiguous in where one part ends.
fn hash_of(line: &Event) -> Vec<u8> {
    let at = line.created_at.timestamp_micros();
    let parts = serde_json::json!([
        line.seq,
        line.id,
        line.kind,
        line.subject_type,
        line.subject_id,
        line.actor,
        line.data,
        at,
    ]);
    hash(parts.to_string().as_bytes())
}

fn marks_of(hashes: &[Vec<u8>]) -> Vec<u8> {
    hashes
        .iter()
        .flat_map(|hash| &hash[..MARK])
        .copied()
        .collect()
}

/// What the look at a log came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// How many lines are sealed.
    pub sealed: usize,
    /// How many seals were made long after their last line, as when there was no worker: until then nothing told of a change.
    pub late: usize,
    /// How many came since the last seal.
    pub not_sealed: i64,
    /// Up to when lines were dropped, as they were old enough.
    pub dropped_until: Option<DateTime<Utc>>,
    /// The last seal, to be kept elsewhere: it stands for the whole log up to here.
    pub seal: Option<Vec<u8>>,
    /// The first line that does not fit, or in whose place one is missing.
    pub broken: Option<Break>,
}

/// Where a log does not fit its seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The place in the log's reading order.
    pub seq: i64,
    /// What is wrong there.
    pub what: &'static str,
}

/// Looks at a store's log from its beginning. `kept`: a seal that somebody has kept elsewhere, which must be among them still.
pub async fn verify(app: &App, store: StoreId, kept: Option<&[u8]>) -> Result<Audit, Error> {
    let (mut audit, mut last) = (Audit::default(), None::<EventSeal>);
    let mut found = kept.is_none();
    loop {
        let conn = &*app.db().await?;
        let from = last.as_ref().map_or(0, |last| last.last_seq);
        let seals = event_seal::after(store, from, MANY, conn).await?;
        if seals.is_empty() {
            audit.not_sealed = event::count_after(store, from, conn).await?;
            audit.seal = last.map(|last| last.seal);
            audit.broken = (!found).then_some(Break {
                seq: from,
                what: "the seal that was kept elsewhere is none of this log's",
            });
            return Ok(audit);
        }
        for seal in seals {
            let said = seal.dropped.as_ref();
            // Those that were dropped are all before those that were not.
            if audit.sealed == 0 && said.is_some_and(|said| same(said, &dropped(app, &seal))) {
                let from = last.as_ref().map_or(0, |last| last.last_seq);
                let all = Filter::default();
                let left = event::between(store, from, seal.last_seq, &all, 1, conn).await?;
                if let [line] = &left[..] {
                    let what = "a line stands where all were dropped";
                    audit.broken = Some(Break {
                        seq: line.seq,
                        what,
                    });
                    return Ok(audit);
                }
                audit.dropped_until = Some(seal.last_at);
            } else {
                if seal.sealed_at - seal.last_at > SOON {
                    audit.late += 1;
                }
                let sealed = compare(app, last.as_ref(), &seal, conn).await?;
                match sealed {
                    Ok(lines) => audit.sealed += lines,
                    Err(broken) => {
                        audit.broken = Some(broken);
                        return Ok(audit);
                    }
                }
            }
            found |= kept == Some(&*seal.seal);
            last = Some(seal);
        }
    }
}

async fn compare(
    app: &App,
    last: Option<&EventSeal>,
    seal: &EventSeal,
    conn: &AsyncPgConnection,
) -> Result<Result<usize, Break>, Error> {
    let (store, from) = (seal.store_id, last.map_or(0, |last| last.last_seq));
    let all = Filter::default();
    // One more than there should be tells that one was added.
    let lines = event::between(store, from, seal.last_seq, &all, PORTION + 1, conn).await?;
    let hashes: Vec<_> = lines.iter().map(hash_of).collect();
    if same(&seal_of(app, last, seal, &hashes), &seal.seal) {
        return Ok(Ok(lines.len()));
    }
    let mut marks = seal.marks.chunks(MARK);
    let odd = lines
        .iter()
        .zip(&hashes)
        .find(|(_, hash)| marks.next() != hash.get(..MARK));
    let (seq, what) = match odd {
        Some((line, _)) => (
            line.seq,
            "this line is not the one that was sealed in its place",
        ),
        None if marks.next().is_some() => (seal.last_seq, "a line before this place is missing"),
        None => (seal.last_seq, "the seal itself is another"),
    };
    Ok(Err(Break { seq, what }))
}

/// Drops lines that are older than the operator keeps them, of all stores. Only what is sealed goes, and the seal stays. Says how
/// many lines that were.
pub async fn drop_old(app: &App) -> Result<usize, Error> {
    let Some(days) = app.config.events_kept_days else {
        return Ok(0);
    };
    let before = app.clock.now() - TimeDelta::days(days.into());
    let old = event_seal::old(before, MANY, &*app.db().await?).await?;
    let mut dropped = 0;
    for seal in old {
        let (conn, said) = (&mut *app.db().await?, self::dropped(app, &seal));
        dropped += conn
            .transaction(async |conn| {
                event_seal::lock_last(seal.store_id, conn).await?;
                event_seal::drop_lines(&seal, &said, conn).await
            })
            .await?;
    }
    Ok(dropped)
}
