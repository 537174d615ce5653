//! Rows of a file (会員CSV取込): what each would do to the store's members, and doing it.
//!
//! A row is about the member with its number or its e-mail address, and otherwise makes a new one. It is held to the
//! same rules as an admin's form. What is decided about many rows is written in a few statements.

mod effects;
mod spoken_for;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;

pub use self::effects::Effects;
use self::effects::MemberChange;
pub use self::spoken_for::SpokenFor;
use super::change::{changes, email_changed};
use super::create::{created, fresh};
use super::rules::{owned_by_paid, set_customer_number, set_status};
use crate::crypto::MasterKeys;
use crate::csv::{Column, Columns as _, Row};
use crate::db::counter::{self, Counted};
use crate::db::member::{self, Member, Names};
use crate::db::operation;
use crate::db::paid_settings::PaidSettings;
use crate::domain::application::{ApplicationStatus, default_methods};
use crate::domain::job;
use crate::domain::member::{Profile, check_number, fold_email};
use crate::domain::{Fault, Faults, MemberId, PaidKey, StoreId};
use crate::error::Error;
use crate::texts::Text;
use crate::workflows::application;

/// What a row comes to.
pub type RowVerdict = job::RowVerdict<MemberId>;

/// The names by which these rows call members.
pub fn names<'a>(rows: impl Iterator<Item = &'a Row>) -> Names {
    let mut names = Names::default();
    for row in rows {
        names.numbers.extend(row.number.clone());
        names.emails.extend(row.email.as_deref().map(fold_email));
        names.keys.extend(row.customer_number.clone());
    }
    names
}

/// Draws numbers for those of these rows that have none and are about nobody yet. Not in a transaction, so that nobody
/// waits for the counter until it commits.
pub async fn draw_numbers(
    store: StoreId,
    rows: &[&Row],
    conn: &mut AsyncPgConnection,
) -> Result<Vec<String>, Error> {
    let emails: Vec<String> = rows
        .iter()
        .filter(|row| row.number.is_none() && row.faults().is_empty())
        .filter_map(|row| row.email.as_deref().map(fold_email))
        .collect();
    if emails.is_empty() {
        return Ok(Vec::new());
    }
    let needed = emails.len() - member::known_emails(store, &emails, conn).await?.len();
    let mut drawn: Vec<String> = Vec::with_capacity(needed);
    while drawn.len() < needed {
        let missing = i64::try_from(needed - drawn.len()).map_err(anyhow::Error::from)?;
        let last = counter::take(store, Counted::Member, missing, conn).await?;
        let fresh: Vec<String> = (last - missing + 1..=last)
            .map(counter::member_number)
            .collect();
        let taken: HashSet<String> = member::known_numbers(store, &fresh, conn)
            .await?
            .into_iter()
            .collect();
        drawn.extend(fresh.into_iter().filter(|number| !taken.contains(number)));
    }
    // Taken from the end.
    drawn.reverse();
    Ok(drawn)
}

/// What rows are judged by, beside the members.
pub struct Basis<'a> {
    /// For what the log may not say openly.
    pub keys: &'a MasterKeys,
    /// The store's settings.
    pub settings: &'a PaidSettings,
    /// When the file was handed in: what a number meant then is what it means.
    pub handed_in: DateTime<Utc>,
    /// When this happens.
    pub now: DateTime<Utc>,
    /// Numbers for new members whose rows have none, `None` where nothing is to be written.
    pub drawn: Option<Vec<String>>,
    /// Whom portions of the file that are not written yet are about.
    pub spoken_for: &'a SpokenFor,
}

/// Judges rows one after the other, each with what those before it do.
pub struct RowJudge<'a> {
    basis: Basis<'a>,
    members: Vec<Member>,
    by_number: HashMap<String, usize>,
    by_email: HashMap<String, usize>,
    by_key: HashMap<PaidKey, usize>,
    in_progress: HashSet<MemberId>,
    /// Members that a row was about already.
    touched: HashSet<usize>,
    effects: Effects,
}

impl<'a> RowJudge<'a> {
    /// For rows that call members by these names; with `lock` the members are locked, for an effect in the same
    /// transaction.
    pub async fn new(
        basis: Basis<'a>,
        names: &Names,
        lock: bool,
        conn: &mut AsyncPgConnection,
    ) -> Result<Self, Error> {
        let store = basis.settings.store_id;
        let members = member::named(store, names, lock, conn).await?;
        let ids: Vec<MemberId> = members.iter().map(|member| member.id).collect();
        let in_progress = operation::open_on_members(store, &ids, conn)
            .await?
            .into_keys()
            .collect();
        let mut judge = Self {
            basis,
            members: Vec::new(),
            by_number: HashMap::new(),
            by_email: HashMap::new(),
            by_key: HashMap::new(),
            in_progress,
            touched: HashSet::new(),
            effects: Effects::default(),
        };
        for member in members {
            judge.know(member);
        }
        Ok(judge)
    }

    /// What was decided has effects.
    pub fn into_effects(self) -> Effects {
        self.effects
    }

    fn know(&mut self, member: Member) {
        let place = self.members.len();
        self.by_number.insert(member.number.clone(), place);
        self.by_email.insert(member.email_key.clone(), place);
        if let Some(key) = &member.customer_number {
            self.by_key.insert(key.clone(), place);
        }
        self.members.push(member);
    }

    /// What a row comes to.
    ///
    /// # Errors
    /// Where more numbers are needed than were drawn, as somebody else's change made a row's member new.
    pub fn judge(&mut self, row: &Row) -> Result<RowVerdict, Error> {
        if self.basis.spoken_for.includes(row) {
            return Ok(RowVerdict::Refused(None, row.with_faults([spoken_for()])));
        }
        match self.meant(row) {
            Err(fault) => Ok(RowVerdict::Refused(None, row.with_faults([fault]))),
            Ok(Some(place)) => Ok(self.change(row, place)),
            Ok(None) => self.create(row),
        }
    }

    /// The member that a row is about, if there is one.
    fn meant(&self, row: &Row) -> Result<Option<usize>, Fault> {
        let by_number = row
            .number
            .as_ref()
            .and_then(|number| self.by_number.get(number))
            .copied();
        let by_email = row
            .email
            .as_deref()
            .and_then(|email| self.by_email.get(&fold_email(email)))
            .copied();
        let fault = |column: Column, code: &str, message: Text| {
            Err(Fault::new(column.pointer(), code, message))
        };
        match (by_number, by_email) {
            (Some(number), Some(email)) if number != email => fault(
                Column::Number,
                "ambiguous",
                text!("number-and-the-e-mail-address-belong"),
            ),
            (Some(place), None) if self.members[place].created_at > self.basis.handed_in => fault(
                Column::Number,
                "number_taken",
                text!("this-number-was-given-to-another-member"),
            ),
            (Some(place), _) | (None, Some(place)) if self.members[place].deleted_at.is_some() => {
                fault(
                    Column::Number,
                    "number_taken",
                    text!("deleted-member-had-this-number"),
                )
            }
            (Some(place), _) | (None, Some(place)) if self.touched.contains(&place) => {
                Err(spoken_for())
            }
            (place, other) => Ok(place.or(other)),
        }
    }

    fn create(&mut self, row: &Row) -> Result<RowVerdict, Error> {
        let mut profile = Profile::default();
        row.apply(&mut profile);
        let mut member = fresh(
            self.basis.settings.store_id,
            String::new(),
            profile,
            self.basis.now,
        );
        let ticked = self.basis.settings.ticks_new_members();
        let methods = row
            .payment_methods
            .clone()
            .filter(|methods| !methods.is_empty());
        member.payment_methods = methods.unwrap_or_else(|| default_methods(ticked));
        let mut faults = self.check(row, &mut member);
        if let Some(status) = row
            .application_status
            .filter(|status| *status != ApplicationStatus::None)
        {
            faults.extend(refusal(
                Column::PaidApplicationStatus,
                set_status(&mut member, status),
            ));
        }
        self.link(row, &mut member, &mut faults);
        let faults = row.with_faults(faults);
        if !faults.is_empty() {
            return Ok(RowVerdict::Refused(None, faults));
        }
        match (&row.number, &mut self.basis.drawn) {
            (Some(number), _) => member.number.clone_from(number),
            (None, Some(drawn)) => {
                member.number = drawn
                    .pop()
                    .ok_or_else(|| anyhow::anyhow!("too few numbers were drawn"))?;
            }
            (None, None) => {}
        }
        let id = member.id;
        self.effects.events.push(created(&member));
        self.effects.created.push(member.clone());
        self.touched.insert(self.members.len());
        self.know(member);
        Ok(RowVerdict::Creates(id))
    }

    fn change(&mut self, row: &Row, place: usize) -> RowVerdict {
        let before = &self.members[place];
        let mut member = before.clone();
        row.apply(&mut member.profile.0);
        if let Some(number) = &row.number {
            member.number.clone_from(number);
        }
        if let Some(methods) = &row.payment_methods {
            member.payment_methods.clone_from(methods);
        }
        let mut faults = self.check(row, &mut member);
        let status = row
            .application_status
            .filter(|status| *status != member.application.status);
        let key = row
            .customer_number
            .as_ref()
            .filter(|key| Some(*key) != member.customer_number.as_ref());
        let in_progress = self.in_progress.contains(&member.id);
        if let Some(status) = status {
            let set = if in_progress {
                Err(application::in_progress())
            } else if status == ApplicationStatus::Pending {
                set_status(&mut member, status)
            } else {
                Err(owned_by_paid(member.application.status, status))
            };
            faults.extend(refusal(Column::PaidApplicationStatus, set));
        }
        if key.is_some() && in_progress {
            let set = Err(application::in_progress());
            faults.extend(refusal(Column::PaidCustomerNumber, set));
        } else if key.is_some() {
            self.link(row, &mut member, &mut faults);
        }
        let id = member.id;
        let faults = row.with_faults(faults);
        if !faults.is_empty() {
            return RowVerdict::Refused(Some(id), faults);
        }
        self.touched.insert(place);
        let mut events = changes(&self.members[place], &member);
        if events.is_empty() {
            return RowVerdict::LeavesAlone(id);
        }
        if let Some(key) = &member.customer_number {
            self.by_key.insert(key.clone(), place);
        }
        self.by_email.insert(member.email_key.clone(), place);
        member.updated_at = self.basis.now;
        let before = &self.members[place];
        if before.email_key != member.email_key {
            events.push(email_changed(self.basis.keys, before));
        }
        self.effects.events.extend(events);
        self.effects.changed.push(MemberChange {
            before: before.clone(),
            after: member,
        });
        RowVerdict::Changes(id)
    }

    /// Tidies and checks the profile and the number.
    fn check(&self, row: &Row, member: &mut Member) -> Vec<Fault> {
        member.profile.0.tidy();
        member.email_key = fold_email(&member.profile.0.email);
        let mut faults = Faults::new();
        member.profile.0.check(&mut faults);
        if let Some(number) = &row.number {
            check_number(number, &mut faults);
        }
        faults.into_vec()
    }

    /// Gives a member the number at Paid that its row names.
    fn link(&self, row: &Row, member: &mut Member, faults: &mut Vec<Fault>) {
        let Some(key) = &row.customer_number else {
            return;
        };
        if self.by_key.contains_key(key) {
            let message = text!("another-member-has-this-customer-number");
            faults.push(Fault::new(
                Column::PaidCustomerNumber.pointer(),
                "number_taken",
                message,
            ));
        } else {
            faults.extend(refusal(
                Column::PaidCustomerNumber,
                set_customer_number(member, key),
            ));
        }
    }
}

fn spoken_for() -> Fault {
    Fault::new(
        Column::Number.pointer(),
        "duplicate_in_file",
        text!("earlier-row-is-about-the-same-member"),
    )
}

/// A rule of the admin's form as a fault of a cell.
fn refusal(column: Column, set: Result<(), Error>) -> Option<Fault> {
    match set {
        Err(Error::Problem(problem)) => Some(Fault::new(
            column.pointer(),
            problem.code.as_str(),
            problem.detail.clone(),
        )),
        Err(Error::Internal(_)) | Ok(()) => None,
    }
}
