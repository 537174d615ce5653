//! What rows of a file do to members, from the moment it is found out until it is written.

use std::collections::HashMap;

use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};

use crate::db::event::NewEvent;
use crate::db::member::{self, Member};
use crate::db::operation;
use crate::domain::MemberId;
use crate::error::Error;
use crate::workflows::member::rules::shut_out;

/// What rows do to members.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Effects {
    pub(super) created: Vec<Member>,
    pub(super) changed: Vec<MemberChange>,
    /// For the log, which is written last.
    #[serde(alias = "news")]
    pub events: Vec<NewEvent>,
}

/// A member before and after.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MemberChange {
    pub(super) before: Member,
    pub(super) after: Member,
}

impl MemberChange {
    fn is_of_application(&self) -> bool {
        let (before, after) = (&self.before, &self.after);
        (before.application.status, &before.customer_number)
            != (after.application.status, &after.customer_number)
    }

    /// Is `present` the member of whom this was found out? A refresh at Paid that brings nothing new does not matter.
    fn is_of(&self, present: &Member) -> bool {
        let mut present = present.clone();
        present.version = self.before.version;
        present.updated_at = self.before.updated_at;
        present.application.checked_at = self.before.application.checked_at;
        present == self.before
    }
}

impl Effects {
    /// The members that are changed.
    pub fn changes(&self) -> Vec<MemberId> {
        self.changed.iter().map(|change| change.before.id).collect()
    }

    /// The members as they are before and after.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        let changed = self
            .changed
            .iter()
            .flat_map(|change| [&change.before, &change.after]);
        self.created.iter().chain(changed)
    }

    /// Locks the members that are to be changed until the transaction ends. Are they as they were when this was found out?
    pub async fn still_hold(&self, conn: &mut AsyncPgConnection) -> Result<bool, Error> {
        let Some(MemberChange {
            before: Member { store_id, .. },
            ..
        }) = self.changed.first()
        else {
            return Ok(true);
        };
        let ids = self.changes();
        let present = member::lock_many(*store_id, &ids, conn).await?;
        let present: HashMap<MemberId, Member> = present
            .into_iter()
            .map(|member| (member.id, member))
            .collect();
        let in_progress = operation::open_on_members(*store_id, &ids, conn).await?;
        Ok(self.changed.iter().all(|change| {
            let id = change.before.id;
            present
                .get(&id)
                .is_some_and(|present| change.is_of(present))
                && !(change.is_of_application() && in_progress.contains_key(&id))
        }))
    }

    /// Writes the members that are new.
    pub fn creation(&self) -> impl QueryFragment<Pg> + Send + '_ {
        member::creation(&self.created)
    }

    /// Writes the members that are changed, under their locks.
    pub async fn change(&self, conn: &mut AsyncPgConnection) -> Result<(), Error> {
        let after: Vec<&Member> = self.changed.iter().map(|change| &change.after).collect();
        let Some(any) = after.first() else {
            return Ok(());
        };
        member::save_many(&after, conn).await?;
        let readdressed = self
            .changed
            .iter()
            .filter(|change| change.before.email_key != change.after.email_key);
        let readdressed: Vec<MemberId> = readdressed.map(|change| change.before.id).collect();
        if readdressed.is_empty() {
            return Ok(());
        }
        shut_out(any.store_id, &readdressed, None, any.updated_at, conn).await
    }
}
