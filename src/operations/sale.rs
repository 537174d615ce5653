//! Finds out what became of an operation on a sale, by asking Paid, by sending it, or both.

use tokio::time::Instant;

use super::drive;
use super::provider::{self, Calls};
use crate::app::App;
use crate::db::operation::Operation;
use crate::db::paid_settings::PaidSettings;
use crate::domain::PaidKey;
use crate::domain::operation::{OperationKind, Outcome};
use crate::domain::settlement::{Sale, SaleStatus, Verdict, verdict};
use crate::paid::{self, Account, Answer, Codes, Inquiry};

/// What one drive of an operation found out.
#[derive(Clone, Debug)]
pub enum Finding {
    /// It took effect. `found` is what Paid shows, where it was asked.
    Done {
        /// The sale.
        found: Option<Sale>,
        /// Paid's own id of a member that was screened.
        paid_id: Option<String>,
    },
    /// It did not, and will not. `found` is adopted.
    Refused {
        /// Codes and words.
        outcome: Outcome,
        /// What Paid shows instead.
        found: Option<Sale>,
    },
    /// The sale was given up, and is not or no longer at Paid.
    GivenUp,
    /// Not known yet: it is driven again.
    Open {
        /// Codes and words of this drive.
        outcome: Outcome,
        /// May a send, this one or an earlier one, have reached Paid?
        may_have_arrived: bool,
    },
    /// Not knowable: it waits for a human.
    Stuck(Outcome),
}

impl Finding {
    pub(super) fn done() -> Self {
        Self::Done { found: None, paid_id: None }
    }

    pub(super) fn open(codes: Codes, message: impl Into<String>, may_have_arrived: bool) -> Self {
        Self::Open { outcome: outcome(codes, message), may_have_arrived }
    }

    fn refused(codes: Codes, message: impl Into<String>, found: Option<Sale>) -> Self {
        Self::Refused { outcome: outcome(codes, message), found }
    }

    fn missing(codes: Codes) -> Self {
        let outcome = Outcome { missing: true, ..outcome(codes, "Paid does not know the sale.") };
        Self::Refused { outcome, found: None }
    }
}

pub(super) fn outcome(codes: Codes, message: impl Into<String>) -> Outcome {
    Outcome { codes: codes.into_vec(), message: message.into(), missing: false }
}

/// One drive of a leased operation: at most two calls, which is what its lease is long enough for.
pub async fn find_out(app: &App, settings: &PaidSettings, operation: &Operation, calls: &mut Calls) -> Finding {
    let account = match provider::account(app, settings, operation.environment) {
        Ok(account) => account,
        Err(error) => return Finding::open(Codes::none(), error.to_string(), operation.may_have_arrived),
    };
    let asking = Asking { app, account, operation, calls };
    if operation.giving_up {
        asking.give_up().await
    } else if operation.may_have_arrived && app.config.paid.capabilities.inquiry {
        asking.inquire_then_send().await
    } else {
        asking.send().await
    }
}

struct Asking<'a> {
    app: &'a App,
    account: Account,
    operation: &'a Operation,
    calls: &'a mut Calls,
}

impl Asking<'_> {
    /// A send may have arrived: Paid is asked first, and the settlement table decides.
    async fn inquire_then_send(mut self) -> Finding {
        let found = match self.inquire().await {
            Inquiry::Found(sale) => Some(sale),
            Inquiry::NotFound => None,
            Inquiry::Unclear(codes) => return Finding::open(codes, "Paid did not say what became of the sale.", true),
        };
        let (asked, before) = self.operation.plan.0.amounts();
        match verdict(self.operation.kind, asked, before, found) {
            Verdict::Done => Finding::Done { found, paid_id: None },
            Verdict::SendAgain => match refused_before(self.operation, &self.app.config.paid) {
                Some(refused) => Finding::Refused { outcome: refused, found },
                None => self.send().await,
            },
            Verdict::RefusedAdopt => Finding::refused(Codes::none(), "Something else happened at Paid.", found),
            Verdict::RefusedMissing => Finding::missing(Codes::none()),
        }
    }

    async fn send(mut self) -> Finding {
        let call = paid::Operation::from(self.operation.kind);
        let sent = self.app.paid.send(&self.account, call, &self.operation.paid_key, &self.operation.body).await;
        self.calls.note(call.as_str(), &sent);
        let earlier = self.operation.may_have_arrived;
        match sent.answer {
            Answer::Done { .. } => Finding::done(),
            Answer::Unknown(unknown) => {
                Finding::open(unknown.codes, unknown.reason, earlier || unknown.may_have_arrived)
            }
            Answer::Refused(codes) if earlier => self.refused_after_a_send(codes),
            Answer::Refused(codes) if codes.is_not_found() => self.refused_as_not_found(codes).await,
            Answer::Refused(codes) => Finding::refused(codes, "Paid refused.", None),
        }
    }

    /// An earlier send may have arrived, so this refusal proves nothing, but for a key that Paid knows already.
    fn refused_after_a_send(&self, codes: Codes) -> Finding {
        let config = &self.app.config.paid;
        let landed = self.operation.kind == OperationKind::Register && codes.is_duplicate(&config.duplicate_code);
        if landed && !config.capabilities.inquiry {
            return Finding::done();
        }
        if config.capabilities.inquiry || codes.is_request_fault() {
            return Finding::open(codes, "Paid refused a repeated send; an earlier one may have arrived.", true);
        }
        Finding::Stuck(outcome(codes, "Paid refused a repeated send, and cannot be asked what became of the first."))
    }

    /// Paid moves no final and no unknown sale. Which of the two it is, an inquiry tells.
    async fn refused_as_not_found(&mut self, codes: Codes) -> Finding {
        if !self.app.config.paid.capabilities.inquiry {
            return Finding::refused(codes, "Paid knows no open sale under this key.", None);
        }
        match self.inquire().await {
            Inquiry::Found(sale) => Finding::refused(codes, "Something else happened at Paid.", Some(sale)),
            Inquiry::NotFound => Finding::missing(codes),
            Inquiry::Unclear(_) => Finding::refused(codes, "Paid knows no open sale under this key.", None),
        }
    }

    /// The sale is cancelled under its key, whether it exists or not.
    async fn give_up(mut self) -> Finding {
        let Some(member) = self.operation.body.pointer("/credits/credit/0/b2bMemberId").and_then(|key| key.as_str())
        else {
            return Finding::Stuck(outcome(Codes::none(), "The stored body names no member."));
        };
        let Ok(member) = PaidKey::parse(member) else {
            return Finding::Stuck(outcome(Codes::none(), "The stored body names no member."));
        };
        let body = paid::body::cancel(&member, &self.operation.paid_key);
        let sent = self.app.paid.send(&self.account, paid::Operation::Cancel, &self.operation.paid_key, &body).await;
        self.calls.note(paid::Operation::Cancel.as_str(), &sent);
        match sent.answer {
            Answer::Done { .. } => Finding::GivenUp,
            Answer::Unknown(unknown) => Finding::open(unknown.codes, unknown.reason, true),
            Answer::Refused(codes) if codes.is_request_fault() => Finding::open(codes, "Paid refused.", true),
            Answer::Refused(codes) if !self.app.config.paid.capabilities.inquiry => {
                if codes.is_not_found() {
                    Finding::GivenUp
                } else {
                    Finding::open(codes, "Paid refused to cancel the sale.", true)
                }
            }
            Answer::Refused(codes) => match self.inquire().await {
                Inquiry::NotFound => Finding::GivenUp,
                Inquiry::Found(Sale { status: SaleStatus::Canceled, .. }) => Finding::GivenUp,
                Inquiry::Found(sale @ Sale { status: SaleStatus::Fixed, .. }) => {
                    Finding::Done { found: Some(sale), paid_id: None }
                }
                Inquiry::Found(_) | Inquiry::Unclear(_) => {
                    Finding::open(codes, "Paid refused to cancel the sale.", true)
                }
            },
        }
    }

    async fn inquire(&mut self) -> Inquiry {
        let key = &self.operation.paid_key;
        // Retries of the read must not outlast the lease.
        let deadline = Instant::now() + drive::inquiry_limit(self.app);
        let read = self.app.paid.sales(&self.account, std::slice::from_ref(key), Some(deadline)).await;
        self.calls.note_read(&read.attempts);
        match read.result {
            Ok(mut answers) => answers.remove(key).unwrap_or(Inquiry::Unclear(Codes::none())),
            Err(failure) => Inquiry::Unclear(failure.codes().clone()),
        }
    }
}

/// The last drive's send was refused for what it asks, and Paid has just shown that no earlier one took effect. Either
/// alone would prove nothing; together they settle it.
fn refused_before(operation: &Operation, config: &paid::Config) -> Option<Outcome> {
    let last = operation.last_outcome();
    let codes: Codes = last.codes.iter().cloned().collect();
    let proves_nothing = codes.is_empty()
        || codes.is_request_fault()
        || codes.is_server_failure()
        || codes.is_not_found()
        || codes.is_duplicate(&config.duplicate_code);
    (!proves_nothing).then_some(last)
}
