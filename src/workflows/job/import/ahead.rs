//! The next portion of a file, judged while the present one is written, so that neither the service nor the database
//! waits for the other.
//!
//! It is judged without locks, by what the members are before the present portion is written. That is right where no row
//! is about somebody whom the present portion is about, which is looked at first, and where those whom it changes are
//! still the same when it is written, which is looked at under their locks. Otherwise it is judged in its turn.

use diesel_async::AsyncPgConnection;
use tokio_util::task::AbortOnDropHandle;

use super::member_rows::{Judged, Reading, rows_of};
use crate::app::App;
use crate::db::job_portion::{self, Portion};
use crate::db::paid_settings;
use crate::domain::{JobId, StoreId};
use crate::error::Error;
use crate::workflows::job::portion::HeldPortion;
use crate::workflows::job::rows::Mode;
use crate::workflows::member::import::SpokenFor;

/// What was begun of the portion that comes next, if anything was.
#[derive(Debug, Default)]
pub struct Ahead(Option<Next>);

#[derive(Debug)]
struct Next {
    store: StoreId,
    job: JobId,
    number: i32,
    found: AbortOnDropHandle<Result<Option<Found>, Error>>,
}

/// What a portion comes to, as it was found out without locks.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) judged: Judged,
    ticks_new_members: bool,
}

impl Ahead {
    /// What was found out about this portion ahead of its turn.
    pub(super) async fn take(&mut self, portion: &Portion) -> Option<Found> {
        let next = self.0.take()?;
        if (next.store, next.job, next.number) != (portion.store_id, portion.job_id, portion.number)
        {
            return None;
        }
        match next.found.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a portion could not be judged ahead of its turn");
                None
            }
            Err(_) => None,
        }
    }

    /// Begins to judge the portion after the one that is held, of which this was found out.
    pub(super) fn begin(app: &App, held: &HeldPortion, mode: Mode, present: &Found) -> Self {
        let mut spoken_for = SpokenFor::default();
        if mode == Mode::Write {
            spoken_for.add(present.judged.effects.members());
        }
        let (held, number) = (held.clone(), held.portion.number + 1);
        let (store, job) = (held.job.store_id, held.job.id);
        let work = async move |app: App| {
            let conn = app.db().await?;
            let next = job_portion::find(store, job, number, &conn).await?;
            drop(conn);
            match next {
                Some(next) => look(&app, &held, &next, mode, &spoken_for).await,
                None => Ok(None),
            }
        };
        Self(Some(Next {
            store,
            job,
            number,
            found: AbortOnDropHandle::new(app.spawn(work)),
        }))
    }
}

/// Judges a portion without locks; `None` where a row is about somebody who is spoken for.
pub(super) async fn look(
    app: &App,
    held: &HeldPortion,
    portion: &Portion,
    mode: Mode,
    spoken_for: &SpokenFor,
) -> Result<Option<Found>, Error> {
    let rows = rows_of(portion)?;
    if rows.iter().flatten().any(|row| spoken_for.includes(row)) {
        return Ok(None);
    }
    let reading = Reading::begin(app, held, rows, mode).await?;
    let conn = &mut *app.db().await?;
    let settings = paid_settings::find(held.job.store_id, conn).await?;
    let ticks_new_members = settings.ticks_new_members();
    let judged = reading.judge(&settings, spoken_for, false, conn).await?;
    Ok(Some(Found {
        judged,
        ticks_new_members,
    }))
}

impl Found {
    /// Locks everything that was looked at and is to be changed; is it as it was?
    pub(super) async fn still_holds(
        &self,
        store: StoreId,
        conn: &mut AsyncPgConnection,
    ) -> Result<bool, Error> {
        let settings = paid_settings::share(store, conn).await?;
        Ok(settings.ticks_new_members() == self.ticks_new_members
            && self.judged.effects.still_hold(conn).await?)
    }
}
