//! What a member himself does about Paid: the wish on "my page", and the banner for those whom Paid knows already.

use diesel_async::AsyncConnection;
use serde_json::json;

use super::rules::{in_progress, key_of, paid_disabled, precheck, tick_paid};
use crate::app::App;
use crate::db::event::{NewEvent, Subject};
use crate::db::member::{self, Member};
use crate::db::{operation, paid_settings};
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::domain::member::PaymentMethod;
use crate::domain::{Faults, MemberId};
use crate::error::{Code, Error, OrNotFound};
use crate::workflows::context::Context;

/// Notes the wish to pay on account: Paid is ticked and the application waits for the admin.
pub async fn wish(app: &App, id: MemberId, context: &Context<'_>) -> Result<Member, Error> {
    let (store, now) = (context.store, app.clock.now());
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let settings = paid_settings::share(store, conn).await?;
        if !settings.enabled {
            return Err(paid_disabled());
        }
        let mut member = member::lock(store, id, conn).await?.or_not_found()?;
        let before = member.application.status;
        if before == ApplicationStatus::Pending && member.has(PaymentMethod::Paid) {
            return Ok(member);
        }
        if !before.may_be_set_by_hand(ApplicationStatus::Pending) {
            return Err(
                Code::ApplicationStatusOwnedByPaid.because(text!("you-have-applied-already"))
            );
        }
        if operation::open_on_member(store, id, conn).await?.is_some() {
            return Err(in_progress());
        }
        tick_paid(&mut member)?;
        let mut faults = Faults::new();
        faults.extend(precheck(&member.profile.0, member.customer_number.as_ref()));
        faults.into_result()?;
        member.application.status = ApplicationStatus::Pending;
        member::save(&mut member, now, conn).await?;
        context.ticket.record(id.0, conn).await?;
        let data = json!({ "from": before, "to": ApplicationStatus::Pending, "wish": true });
        context
            .log(
                &[NewEvent::new(
                    EventType::ApplicationChanged,
                    Subject::Member(id),
                    data,
                )],
                now,
                conn,
            )
            .await?;
        Ok(member)
    })
    .await
}

/// Notes that a member used the banner: he gets the key under which Paid will link him, and Paid is ticked. He goes on
/// alone on Paid's side; the next refresh shows the result.
pub async fn link(app: &App, id: MemberId, context: &Context<'_>) -> Result<Member, Error> {
    let (store, now) = (context.store, app.clock.now());
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let settings = paid_settings::share(store, conn).await?;
        if !settings.enabled {
            return Err(paid_disabled());
        }
        if !settings.show_member_banner {
            return Err(Code::BannerDisabled.because(text!("store-does-not-offer-this")));
        }
        let mut member = member::lock(store, id, conn).await?.or_not_found()?;
        if member.link_used_at.is_some() && member.has(PaymentMethod::Paid) {
            return Ok(member);
        }
        tick_paid(&mut member)?;
        key_of(&mut member);
        member.link_used_at = Some(now);
        member::save(&mut member, now, conn).await?;
        context.ticket.record(id.0, conn).await?;
        context
            .log(
                &[NewEvent::new(
                    EventType::ApplicationLinkUsed,
                    Subject::Member(id),
                    json!({}),
                )],
                now,
                conn,
            )
            .await?;
        Ok(member)
    })
    .await
}
