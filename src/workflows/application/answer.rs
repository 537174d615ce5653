//! What the caller of a submission is answered: how the application stands then, or why Paid refused it.

use uuid::Uuid;

use crate::app::App;
use crate::db::member::{self, Member};
use crate::db::operation::{self, Operation};
use crate::domain::operation::OperationState;
use crate::domain::{Fault, MemberId, OperationId, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::paid::{Codes, application, meaning};
use crate::texts::Text;
use crate::workflows::durable::end;
use crate::workflows::provider;

text_enum! {
    /// What became of a submission.
    #[schema(as = Outcome)]
    SubmissionOutcome {
        /// Paid has the application.
        Submitted = "submitted" ("申請済", "submitted"),
        /// Paid is not among the member's payment methods, so the application was dropped.
        Dropped = "dropped" ("申請取消", "dropped"),
        /// The member had linked himself to the store already.
        AlreadyLinked = "already_linked" ("連携済み", "already linked"),
        /// Not known yet; it goes on by itself.
        Processing = "processing" ("処理中", "processing"),
    }
}

/// A submission as its caller is told of it.
#[derive(Clone, Debug)]
pub struct Submission {
    /// What became of it.
    pub outcome: SubmissionOutcome,
    /// The member as it is now.
    pub member: Member,
    /// What is open still.
    pub operation: Option<Operation>,
}

/// The answer to a request of which an earlier try wrote a submission down, or dropped the application, before it broke
/// off; `made` is what that try recorded. `None`: Paid did not even read the submission, so nothing was done.
pub async fn resume(
    app: &App,
    store: StoreId,
    member: MemberId,
    made: Uuid,
) -> Result<Option<Submission>, Error> {
    let earlier = operation::find(store, OperationId(made), &*app.db().await?).await?;
    match earlier {
        Some(earlier) if end::was_not_read(&earlier) => Ok(None),
        Some(earlier) => ended(app, store, member, &earlier).await.map(Some),
        None => answer(app, store, member, SubmissionOutcome::Dropped)
            .await
            .map(Some),
    }
}

pub(super) async fn ended(
    app: &App,
    store: StoreId,
    member: MemberId,
    operation: &Operation,
) -> Result<Submission, Error> {
    let outcome = match operation.state {
        OperationState::Refused => return Err(refusal(operation)),
        OperationState::Open | OperationState::Stuck => SubmissionOutcome::Processing,
        OperationState::Abandoned => return Err(closed()),
        OperationState::Done if operation.last_outcome().codes.is_empty() => {
            SubmissionOutcome::Submitted
        }
        OperationState::Done => SubmissionOutcome::AlreadyLinked,
    };
    answer(app, store, member, outcome).await
}

fn closed() -> Error {
    Code::ActionNotAllowed.because(text!("submission-was-closed-by-hand"))
}

pub(super) async fn answer(
    app: &App,
    store: StoreId,
    id: MemberId,
    outcome: SubmissionOutcome,
) -> Result<Submission, Error> {
    let conn = &*app.db().await?;
    let member = member::find(store, id, conn).await?.or_not_found()?;
    let operation = operation::open_on_member(store, id, conn).await?;
    Ok(Submission {
        outcome,
        member,
        operation,
    })
}

/// What an admin is told whose submission Paid refused.
pub fn refusal(operation: &Operation) -> Error {
    let codes: Codes = operation.last_outcome().codes.into_iter().collect();
    let mut problem = if let Some(problem) = provider::unread(&codes) {
        problem
    } else if codes.is_already_linked() {
        Code::PaidNumberTaken.problem(text!("paid-has-a-link-under-this-customer"))
    } else if codes.is_email_taken() {
        Code::PaidEmailTaken.problem(text!("this-e-mail-address-is-already"))
    } else {
        Code::ApplicationRefused.problem(text!("paid-refused-the-application-see-errors"))
    };
    problem.errors = codes.iter().map(fault_of).collect();
    problem.paid_codes = codes.into_vec();
    problem.into()
}

/// A code of Paid as a fault of the field it is about.
pub fn fault_of(code: &str) -> Fault {
    let pointer = application::pointer_of(code);
    let text = meaning::of(code).map_or_else(
        || text!("paid-gives-no-reason-that-is-known-here"),
        Text::both,
    );
    Fault {
        paid_code: Some(code.to_owned()),
        ..Fault::new(pointer, "refused_by_paid", text)
    }
}
