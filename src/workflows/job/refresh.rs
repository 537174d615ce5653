//! Reading many applications or payments back from Paid.

use uuid::Uuid;

use super::failure::failed;
use crate::app::App;
use crate::db::job::Job;
use crate::db::job_item::Item;
use crate::db::json::Json;
use crate::domain::job::ItemOutcome;
use crate::domain::{MemberId, OrderId};
use crate::error::Code;
use crate::workflows::application::{self, RefreshedApplication, SubmissionOutcome};
use crate::workflows::payment::refresh::{self, RefreshedPayment};

fn subjects(items: &[Item]) -> impl Iterator<Item = Uuid> {
    items.iter().filter_map(|item| item.subject)
}

pub(super) async fn refresh_members(app: &App, job: &Job, items: Vec<Item>) -> Vec<Item> {
    let ids: Vec<MemberId> = subjects(&items).map(MemberId).collect();
    let refreshed = match application::refresh_many(app, job.store_id, &ids, &job.actor).await {
        Ok(refreshed) => refreshed,
        Err(error) => return items.into_iter().map(|item| failed(item, &error)).collect(),
    };
    let outcome = |(item, (_, refreshed)): (Item, (MemberId, RefreshedApplication))| match refreshed
    {
        RefreshedApplication::Read(_) => item.ended(ItemOutcome::Succeeded, None),
        RefreshedApplication::Refused(codes) => {
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
        RefreshedApplication::NotSubmitted => {
            item.ended(ItemOutcome::Skipped, Some("not_submitted"))
        }
        RefreshedApplication::DrivenOn { open: false } => {
            item.ended(ItemOutcome::Succeeded, Some("driven_on"))
        }
        RefreshedApplication::DrivenOn { open: true } => item.ended(
            ItemOutcome::Unknown,
            Some(SubmissionOutcome::Processing.as_str()),
        ),
        RefreshedApplication::Failed(failure) => failed(item, &failure.into()),
        RefreshedApplication::Unknown => item.ended(
            ItemOutcome::Unknown,
            Some(Code::ProviderUnavailable.as_str()),
        ),
        RefreshedApplication::Gone => {
            item.ended(ItemOutcome::Skipped, Some(Code::NotFound.as_str()))
        }
    };
    items.into_iter().zip(refreshed).map(outcome).collect()
}

pub(super) async fn refresh_payments(app: &App, job: &Job, items: Vec<Item>) -> Vec<Item> {
    let ids: Vec<OrderId> = subjects(&items).map(OrderId).collect();
    let refreshed = match refresh::refresh_many(app, job.store_id, &ids, &job.actor).await {
        Ok(refreshed) => refreshed,
        Err(error) => return items.into_iter().map(|item| failed(item, &error)).collect(),
    };
    let refreshed: std::collections::HashMap<OrderId, RefreshedPayment> =
        refreshed.into_iter().collect();
    let outcome = |item: Item| {
        let (outcome, code) = match item.subject.and_then(|id| refreshed.get(&OrderId(id))) {
            Some(RefreshedPayment::Adopted) => (ItemOutcome::Succeeded, None),
            Some(RefreshedPayment::Missing) => {
                (ItemOutcome::Succeeded, Some(Code::MissingAtPaid.as_str()))
            }
            Some(RefreshedPayment::DrivenOn) => (
                ItemOutcome::Unknown,
                Some(SubmissionOutcome::Processing.as_str()),
            ),
            Some(RefreshedPayment::NoPayment) | None => (ItemOutcome::Skipped, Some("no_payment")),
            Some(RefreshedPayment::Failed(failure)) => {
                return failed(item, &failure.clone().into());
            }
            Some(RefreshedPayment::Unknown) => (
                ItemOutcome::Unknown,
                Some(Code::ProviderUnavailable.as_str()),
            ),
        };
        item.ended(outcome, code)
    };
    items.into_iter().map(outcome).collect()
}
