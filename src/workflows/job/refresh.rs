//! Reading many applications or payments back from Paid.

use uuid::Uuid;

use super::failure::failed;
use crate::app::App;
use crate::db::job::{Item, Job};
use crate::db::json::Json;
use crate::domain::job::ItemOutcome;
use crate::domain::{MemberId, OrderId};
use crate::error::Code;
use crate::workflows::application::{self, Outcome};
use crate::workflows::payment::refresh;

fn subjects(items: &[Item]) -> impl Iterator<Item = Uuid> {
    items.iter().filter_map(|item| item.subject)
}

pub(super) async fn refresh_members(app: &App, job: &Job, items: Vec<Item>) -> Vec<Item> {
    use application::Refreshed;
    let ids: Vec<MemberId> = subjects(&items).map(MemberId).collect();
    let refreshed = match application::refresh_many(app, job.store_id, &ids, &job.actor).await {
        Ok(refreshed) => refreshed,
        Err(error) => return items.into_iter().map(|item| failed(item, &error)).collect(),
    };
    let outcome = |(item, (_, refreshed)): (Item, (MemberId, Refreshed))| match refreshed {
        Refreshed::Read(_) => item.ended(ItemOutcome::Succeeded, None),
        Refreshed::Refused(codes) => {
            let code = if codes.is_unknown_member() {
                "paid_not_linked"
            } else {
                "refused_by_paid"
            };
            let errors = codes.iter().map(application::fault_of).collect();
            Item {
                errors: Json(errors),
                ..item.ended(ItemOutcome::Refused, Some(code))
            }
        }
        Refreshed::NotSubmitted => item.ended(ItemOutcome::Skipped, Some("not_submitted")),
        Refreshed::DrivenOn { open: false } => {
            item.ended(ItemOutcome::Succeeded, Some("driven_on"))
        }
        Refreshed::DrivenOn { open: true } => {
            item.ended(ItemOutcome::Unknown, Some(Outcome::Processing.as_str()))
        }
        Refreshed::Failed(failure) => failed(item, &failure.into()),
        Refreshed::Unknown => item.ended(
            ItemOutcome::Unknown,
            Some(Code::ProviderUnavailable.as_str()),
        ),
        Refreshed::Gone => item.ended(ItemOutcome::Skipped, Some(Code::NotFound.as_str())),
    };
    items.into_iter().zip(refreshed).map(outcome).collect()
}

pub(super) async fn refresh_payments(app: &App, job: &Job, items: Vec<Item>) -> Vec<Item> {
    use refresh::Refreshed;
    let ids: Vec<OrderId> = subjects(&items).map(OrderId).collect();
    let refreshed = match refresh::refresh_many(app, job.store_id, &ids, &job.actor).await {
        Ok(refreshed) => refreshed,
        Err(error) => return items.into_iter().map(|item| failed(item, &error)).collect(),
    };
    let refreshed: std::collections::HashMap<OrderId, Refreshed> = refreshed.into_iter().collect();
    let outcome = |item: Item| {
        let (outcome, code) = match item.subject.and_then(|id| refreshed.get(&OrderId(id))) {
            Some(Refreshed::Adopted) => (ItemOutcome::Succeeded, None),
            Some(Refreshed::Missing) => {
                (ItemOutcome::Succeeded, Some(Code::MissingAtPaid.as_str()))
            }
            Some(Refreshed::DrivenOn) => (ItemOutcome::Unknown, Some(Outcome::Processing.as_str())),
            Some(Refreshed::NoPayment) | None => (ItemOutcome::Skipped, Some("no_payment")),
            Some(Refreshed::Failed(failure)) => return failed(item, &failure.clone().into()),
            Some(Refreshed::Unknown) => (
                ItemOutcome::Unknown,
                Some(Code::ProviderUnavailable.as_str()),
            ),
        };
        item.ended(outcome, code)
    };
    items.into_iter().map(outcome).collect()
}
