//! Removing a member; see *Whom Paid knows is anonymised and not removed* in docs/rules.md.

use diesel_async::AsyncConnection;
use serde_json::json;

use crate::app::App;
use crate::db::event::{NewEvent, Subject};
use crate::db::{idempotency_key, member, operation, session};
use crate::domain::MemberId;
use crate::domain::events::EventType;
use crate::error::{Code, Error, OrNotFound};
use crate::workflows::context::Context;

/// Removes a member. One of whom anything must be kept (a key at Paid, an order) is anonymised instead. The
/// answers that are kept for repeats of requests go with it.
pub async fn remove(app: &App, id: MemberId, context: &Context<'_>) -> Result<(), Error> {
    let (store, now) = (context.store, app.clock.now());
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut member = member::lock(store, id, conn).await?.or_not_found()?;
        context.check_version(member.version)?;
        if member::has_open_work(store, id, conn).await? {
            return Err(
                Code::MemberHasOpenWork.because(text!("payment-or-a-submission-of-this-member"))
            );
        }
        let kept = member.customer_number.is_some()
            || member::has_orders(store, id, conn).await?
            || operation::any_on_member(store, id, conn).await?;
        idempotency_key::forget_answers_about(store, id, now, conn).await?;
        if kept {
            member::anonymise(&mut member, now, conn).await?;
            session::end_all_of(store, &[id], None, now, conn).await?;
        } else {
            member::delete(store, id, conn).await?;
        }
        let event = NewEvent::new(
            EventType::MemberDeleted,
            Subject::Member(id),
            json!({ "anonymised": kept }),
        );
        Ok(context.log(&[event], now, conn).await?)
    })
    .await
}
