//! What a member himself does about Paid: the wish on "my page", and the banner for those whom Paid knows already.

use diesel_async::AsyncConnection;
use serde_json::json;

use super::{in_progress, key_of, paid_disabled, precheck};
use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::idempotency_key::Ticket;
use crate::db::member::{self, Member};
use crate::db::{operation, paid_settings};
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::domain::member::PaymentMethod;
use crate::domain::{Faults, MemberId, StoreId};
use crate::error::{Code, Error, OrNotFound};

/// Notes the wish to pay on account: Paid is ticked and the application waits for the admin.
pub async fn wish(
    app: &App,
    store: StoreId,
    id: MemberId,
    actor: &str,
    ticket: &Ticket,
) -> Result<Member, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let settings = paid_settings::share(store, conn).await?;
        if !settings.enabled {
            return Err(paid_disabled());
        }
        let mut member = member::lock(store, id, conn).await?.or_not_found()?;
        let before = member.application_status;
        if before == ApplicationStatus::Pending && member.has(PaymentMethod::Paid) {
            return Ok(member);
        }
        if !before.may_be_set_by_hand(ApplicationStatus::Pending) {
            return Err(Code::ApplicationStatusOwnedByPaid.because("You have applied already."));
        }
        if operation::open_on_member(store, id, conn).await?.is_some() {
            return Err(in_progress());
        }
        tick_paid(&mut member)?;
        let mut faults = Faults::new();
        faults.extend(precheck(&member.profile.0, member.customer_number.as_ref()));
        faults.into_result()?;
        member.application_status = ApplicationStatus::Pending;
        member::save(&mut member, now, conn).await?;
        ticket.record(id.0, conn).await?;
        let data = json!({ "from": before, "to": ApplicationStatus::Pending, "wish": true });
        event::append(
            store,
            &[NewEvent::new(
                EventType::ApplicationChanged,
                Subject::Member(id),
                data,
            )],
            actor,
            now,
            conn,
        )
        .await?;
        Ok(member)
    })
    .await
}

/// See *The tick stays the shop's* in docs/rules.md.
fn tick_paid(member: &mut Member) -> Result<(), Error> {
    if !member.may_tick_paid() {
        return Err(Code::PaidNotTicked
            .because("The store does not offer Paid to you at present. Ask the store."));
    }
    member.tick(PaymentMethod::Paid);
    Ok(())
}

/// Notes that a member used the banner: he gets the key under which Paid will link him, and Paid is ticked. He goes on
/// alone on Paid's side; the next refresh shows the result.
pub async fn link(
    app: &App,
    store: StoreId,
    id: MemberId,
    actor: &str,
    ticket: &Ticket,
) -> Result<Member, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let settings = paid_settings::share(store, conn).await?;
        if !settings.enabled {
            return Err(paid_disabled());
        }
        if !settings.show_member_banner {
            return Err(Code::BannerDisabled.because("The store does not offer this."));
        }
        let mut member = member::lock(store, id, conn).await?.or_not_found()?;
        if member.link_used_at.is_some() && member.has(PaymentMethod::Paid) {
            return Ok(member);
        }
        tick_paid(&mut member)?;
        key_of(&mut member);
        member.link_used_at = Some(now);
        member::save(&mut member, now, conn).await?;
        ticket.record(id.0, conn).await?;
        event::append(
            store,
            &[NewEvent::new(
                EventType::ApplicationLinkUsed,
                Subject::Member(id),
                json!({}),
            )],
            actor,
            now,
            conn,
        )
        .await?;
        Ok(member)
    })
    .await
}
