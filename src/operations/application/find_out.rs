//! Finds out what became of a submission, by asking Paid for the key, by sending it, or both: at most two calls, which
//! is what a lease is long enough for.

use tokio::time::Instant;

use crate::app::App;
use crate::db::member;
use crate::db::operation::Operation;
use crate::db::paid_settings::PaidSettings;
use crate::domain::operation::Outcome;
use crate::operations::drive;
use crate::operations::provider::{self, Calls};
use crate::operations::sale::outcome;
use crate::paid::{self, Account, Answer, Codes, ReportedStatus, StatusAnswer};

/// What one drive of a submission found out.
#[derive(Clone, Debug)]
pub enum Finding {
    /// Paid has the application under our key.
    Landed {
        /// Paid's own id of the member.
        paid_id: Option<String>,
        /// The status, where it was asked.
        reported: Option<ReportedStatus>,
        /// The member was linked before this submission, by using the banner (C01).
        already_linked: bool,
    },
    /// Paid does not, and will not.
    Refused(Outcome),
    /// Not known yet: it is driven again.
    Open {
        /// Codes and words of this drive.
        outcome: Outcome,
        /// May a send, this one or an earlier one, have reached Paid?
        may_have_arrived: bool,
    },
}

impl Finding {
    fn open(codes: Codes, message: impl Into<String>, may_have_arrived: bool) -> Self {
        Self::Open { outcome: outcome(codes, message), may_have_arrived }
    }
}

/// One drive of a leased submission.
pub async fn find_out(app: &App, settings: &PaidSettings, operation: &Operation, calls: &mut Calls) -> Finding {
    let account = match provider::account(app, settings, operation.environment) {
        Ok(account) => account,
        Err(error) => return Finding::open(Codes::none(), error.to_string(), operation.may_have_arrived),
    };
    let asking = Asking { app, account, operation, calls };
    if operation.may_have_arrived { asking.ask_then_send().await } else { asking.send_first().await }
}

struct Asking<'a> {
    app: &'a App,
    account: Account,
    operation: &'a Operation,
    calls: &'a mut Calls,
}

impl Asking<'_> {
    /// Nothing can have arrived yet: what Paid says now is definite.
    async fn send_first(mut self) -> Finding {
        match self.send().await {
            Answer::Done { paid_id } => Finding::Landed { paid_id, reported: None, already_linked: false },
            Answer::Unknown(unknown) => Finding::open(unknown.codes, unknown.reason, unknown.may_have_arrived),
            Answer::Refused(codes) if codes.is_already_linked() => self.linked_already(codes).await,
            Answer::Refused(codes) => Finding::Refused(outcome(codes, "Paid refused the application.")),
        }
    }

    /// C01 although nothing of ours can have arrived: only the banner explains that as this member's own link. Any
    /// other link is somebody else's, and adopting it would let one company buy on another's account.
    async fn linked_already(mut self, codes: Codes) -> Finding {
        match self.used_the_banner().await {
            Ok(true) => {
                // Where the status cannot be had right now, the next refresh brings it.
                let reported = match self.status().await {
                    StatusAnswer::Reported(reported) => Some(reported),
                    StatusAnswer::Refused(_) | StatusAnswer::Unclear => None,
                };
                Finding::Landed { paid_id: None, reported, already_linked: true }
            }
            Ok(false) => {
                Finding::Refused(outcome(codes, "The customer number is linked already, not by this application."))
            }
            // The link can still be asked for, so it is left open rather than decided without knowing.
            Err(error) => {
                tracing::error!(operation = %self.operation.id, %error, "the member of a submission could not be read");
                Finding::open(codes, "The member could not be read.", false)
            }
        }
    }

    async fn used_the_banner(&self) -> Result<bool, crate::error::Error> {
        let Some(id) = self.operation.member_id else {
            return Ok(false);
        };
        let member = member::find(self.operation.store_id, id, &*self.app.db().await?).await?;
        Ok(member.is_some_and(|member| member.link_used_at.is_some()))
    }

    /// A send may have arrived: Paid is asked for the key first.
    async fn ask_then_send(mut self) -> Finding {
        match self.status().await {
            StatusAnswer::Reported(reported) => {
                Finding::Landed { paid_id: None, reported: Some(reported), already_linked: false }
            }
            StatusAnswer::Refused(codes) if codes.is_unknown_member() => match self.refused_before() {
                Some(refused) => Finding::Refused(refused),
                None => self.send_again().await,
            },
            StatusAnswer::Refused(codes) => Finding::open(codes, "Paid did not say whether it has the member.", true),
            StatusAnswer::Unclear => Finding::open(Codes::none(), "Paid did not say whether it has the member.", true),
        }
    }

    /// The last drive's send was refused for what it says, and Paid has just said that no earlier one arrived either.
    /// The refusal alone would prove nothing; together they do.
    fn refused_before(&self) -> Option<Outcome> {
        let last = self.operation.last_outcome();
        let codes: Codes = last.codes.iter().map(String::as_str).collect();
        let proves_nothing = codes.is_empty()
            || codes.is_request_fault()
            || codes.is_server_failure()
            || codes.is_already_linked()
            || codes.is_unknown_member();
        (!proves_nothing).then_some(last)
    }

    async fn send_again(mut self) -> Finding {
        match self.send().await {
            Answer::Done { paid_id } => Finding::Landed { paid_id, reported: None, already_linked: false },
            Answer::Unknown(unknown) => Finding::open(unknown.codes, unknown.reason, true),
            // An earlier send arrived between the question and this one, or refuses what the next question settles.
            Answer::Refused(codes) => {
                Finding::open(codes, "Paid refused a repeated send; an earlier one may have arrived.", true)
            }
        }
    }

    async fn send(&mut self) -> Answer {
        let call = paid::Operation::Apply;
        let sent = self.app.paid.send(&self.account, call, &self.operation.paid_key, &self.operation.body).await;
        self.calls.note(call.as_str(), &sent);
        sent.answer
    }

    async fn status(&mut self) -> StatusAnswer {
        let key = &self.operation.paid_key;
        // Retries of the read must not outlast the lease.
        let deadline = Instant::now() + drive::inquiry_limit(self.app);
        let read = self.app.paid.status(&self.account, std::slice::from_ref(key), Some(deadline)).await;
        self.calls.note_read(&read.attempts);
        match read.result {
            Ok(mut answers) => answers.remove(key).unwrap_or(StatusAnswer::Unclear),
            Err(_) => StatusAnswer::Unclear,
        }
    }
}
