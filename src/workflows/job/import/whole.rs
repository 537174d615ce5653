//! A file that is taken over whole or not at all.
//!
//! All rows are judged first, a portion at a time and without locks, and what a portion comes to is staged with it. Then
//! one transaction writes everything. It locks the members that it changes as late as it can, after the outcomes and the
//! new members, so that until then their orders and applications go on. Where one of them was changed meanwhile, the
//! portions concerned are judged again.

use std::collections::{BTreeMap, BTreeSet};

use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::member_rows::{Judged, Reading, rows_of};
use crate::app::App;
use crate::db::job::Tally;
use crate::db::job_portion::{self, Portion};
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::pipeline::{self, Statement};
use crate::db::{event, job_item};
use crate::error::{Error, OrNotFound};
use crate::workflows::job::portion::{HeldPortion, conclude, is_stopped, still_open};
use crate::workflows::job::rows::{Mode, items, without_item};
use crate::workflows::member::import::{RowVerdict, SpokenFor};

/// How often what changed meanwhile is judged again at once. After that the file waits, as after any fault of ours.
const ROUNDS: usize = 5;

/// Takes a file over, or finds out that it is not to be.
pub(super) async fn import(app: &App, held: &HeldPortion, wished: Mode) -> Result<(), Error> {
    let mut file = File::open(app, held, wished).await?;
    // Given back before anything is staged, which takes a connection each time.
    let numbers = job_portion::numbers(held.job.store_id, held.job.id, &*app.db().await?).await?;
    for number in numbers {
        file.stage(number).await?;
    }
    for _ in 0..ROUNDS {
        match file.finish().await {
            Ok(()) => return Ok(()),
            Err(Stopped::Broken(error)) => return Err(error),
            Err(Stopped::Moved(numbers)) => file.stage_again(&numbers).await?,
        }
    }
    Err(anyhow::anyhow!("members in the file kept changing while it was taken over").into())
}

/// A file that is taken over whole.
struct File<'a> {
    app: &'a App,
    held: &'a HeldPortion,
    /// What becomes of the rows if nothing is wrong with any.
    wished: Mode,
    settings: PaidSettings,
    /// By their numbers, without their rows.
    portions: BTreeMap<i32, Portion>,
    spoken_for: SpokenFor,
    /// The portions with a row at fault.
    refused: BTreeSet<i32>,
}

/// Why nothing was written.
enum Stopped {
    /// Members in these portions were changed after they were judged.
    Moved(Vec<i32>),
    Broken(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl From<diesel::result::Error> for Stopped {
    fn from(error: diesel::result::Error) -> Self {
        Self::Broken(error.into())
    }
}

impl<'a> File<'a> {
    async fn open(app: &'a App, held: &'a HeldPortion, wished: Mode) -> Result<Self, Error> {
        let settings = paid_settings::find(held.job.store_id, &*app.db().await?).await?;
        let (portions, refused) = (BTreeMap::new(), BTreeSet::new());
        Ok(Self {
            app,
            held,
            wished,
            settings,
            portions,
            spoken_for: SpokenFor::default(),
            refused,
        })
    }

    fn mode(&self) -> Mode {
        if self.refused.is_empty() {
            self.wished
        } else {
            Mode::LeaveOut
        }
    }

    /// Judges a portion and keeps what it comes to.
    async fn stage(&mut self, number: i32) -> Result<(), Error> {
        let (store, id) = (self.held.job.store_id, self.held.job.id);
        let mut portion = job_portion::find(store, id, number, &*self.app.db().await?)
            .await?
            .or_not_found()?;
        let rows = rows_of(&portion)?;
        portion.input = None;
        let reading = Reading::begin(self.app, self.held, rows, self.wished).await?;
        let conn = &mut *self.app.db().await?;
        let judged = reading
            .judge(&self.settings, &self.spoken_for, false, conn)
            .await?;
        self.spoken_for.add(judged.effects.members());
        if judged
            .verdicts
            .iter()
            .any(|verdict| matches!(verdict, RowVerdict::Refused(..)))
        {
            self.refused.insert(number);
        }
        let changes = judged.effects.changes();
        let staged = serde_json::to_vec(&judged).map_err(anyhow::Error::from)?;
        conn.transaction(async |conn| {
            // Whoever lost the file leaves alone what its new holder has found out.
            if job_portion::lock_ours(&self.held.portion, conn).await? {
                job_portion::stage(&portion, staged, changes, conn).await?;
            }
            Ok::<_, Error>(())
        })
        .await?;
        self.portions.insert(number, portion);
        Ok(())
    }

    async fn stage_again(&mut self, numbers: &[i32]) -> Result<(), Error> {
        let store = self.held.job.store_id;
        self.settings = paid_settings::find(store, &*self.app.db().await?).await?;
        for number in numbers {
            let staged = self.staged(*number, &*self.app.db().await?).await?;
            self.spoken_for.remove(staged.effects.members());
        }
        for number in numbers {
            self.stage(*number).await?;
        }
        Ok(())
    }

    async fn finish(&self) -> Result<(), Stopped> {
        let (app, held) = (self.app, self.held);
        let conn = &mut *app.db().await?;
        conn.transaction(async |conn| {
            if !job_portion::lock_ours(&held.portion, conn).await? {
                return Ok(());
            }
            if is_stopped(app, held, conn).await? {
                return Ok(());
            }
            let tally = self.write_outcomes(conn).await?;
            if self.mode() == Mode::Write {
                self.write_changes(conn).await?;
            }
            for portion in self.portions.values() {
                job_portion::close(portion, app.clock.now(), conn).await?;
            }
            still_open(held, conn).await?;
            Ok(conclude(app, held, tally, conn).await?)
        })
        .await
    }

    /// Writes what becomes of the rows, and the new members.
    async fn write_outcomes(&self, conn: &mut AsyncPgConnection) -> Result<Tally, Error> {
        let (mode, mut tally) = (self.mode(), Tally::default());
        for (number, portion) in &self.portions {
            let staged = self.staged(*number, conn).await?;
            let items = items(portion, staged.verdicts, mode, |id| id.0);
            let (store, job) = (portion.store_id, portion.job_id);
            let new_items = without_item(portion, &items, conn).await?;
            let mut rows: Vec<Statement<'_>> =
                vec![Box::new(job_item::creation(store, job, new_items))];
            if mode == Mode::Write {
                rows.push(Box::new(staged.effects.creation()));
            }
            pipeline::send(rows, conn).await?;
            tally = tally + Tally::of(&items);
        }
        Ok(tally)
    }

    /// Writes the changed members under their locks, and then the log.
    async fn write_changes(&self, conn: &mut AsyncPgConnection) -> Result<(), Stopped> {
        let (store, id) = (self.held.job.store_id, self.held.job.id);
        let settings = paid_settings::share(store, conn).await?;
        if settings.ticks_new_members() != self.settings.ticks_new_members() {
            return Err(Stopped::Moved(self.portions.keys().copied().collect()));
        }
        job_portion::lock_staged_members(store, id, conn).await?;
        let mut moved = Vec::new();
        for number in self.portions.keys() {
            let effects = self.staged(*number, conn).await?.effects;
            if !effects.still_hold(conn).await? {
                moved.push(*number);
            } else if moved.is_empty() {
                effects.change(conn).await?;
            }
        }
        if !moved.is_empty() {
            return Err(Stopped::Moved(moved));
        }
        for number in self.portions.keys() {
            let events = self.staged(*number, conn).await?.effects.events;
            let (actor, now) = (&self.held.job.actor, self.app.clock.now());
            event::append(store, &events, actor, now, conn).await?;
        }
        Ok(())
    }

    async fn staged(&self, number: i32, conn: &AsyncPgConnection) -> Result<Judged, Error> {
        let staged =
            job_portion::staged(self.held.job.store_id, self.held.job.id, number, conn).await?;
        Ok(serde_json::from_slice(&staged).map_err(anyhow::Error::from)?)
    }
}
