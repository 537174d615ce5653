//! Finds out what became of a submission, by asking Paid for the key, by sending it, or both.

use crate::app::App;
use crate::db::member;
use crate::db::operation::Operation;
use crate::domain::operation::Outcome;
use crate::paid::{self, Account, Answer, Codes, ReportedStatus, StatusAnswer};
use crate::workflows::durable::lease::Hold;
use crate::workflows::durable::undecided::{Undecided, outcome};
use crate::workflows::provider::Calls;

/// What one drive of a submission found out.
#[derive(Clone, Debug)]
pub enum SubmissionFinding {
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
    Open(Undecided),
}

impl From<Undecided> for SubmissionFinding {
    fn from(undecided: Undecided) -> Self {
        Self::Open(undecided)
    }
}

/// One drive of a submission that the caller holds.
pub async fn find_out(
    app: &App,
    account: &Account,
    hold: &Hold<'_>,
    calls: &mut Calls,
) -> SubmissionFinding {
    let operation = hold.operation();
    let asking = SubmissionDrive {
        app,
        account,
        hold,
        operation,
        calls,
    };
    if operation.may_have_arrived {
        asking.ask_then_send().await
    } else {
        asking.send_first().await
    }
}

struct SubmissionDrive<'a> {
    app: &'a App,
    account: &'a Account,
    hold: &'a Hold<'a>,
    operation: &'a Operation,
    calls: &'a mut Calls,
}

impl SubmissionDrive<'_> {
    /// Nothing can have arrived yet: what Paid says now is definite.
    async fn send_first(mut self) -> SubmissionFinding {
        let Some(answer) = self.send().await else {
            return Undecided::not_ours().into();
        };
        match answer {
            Answer::Done { paid_id } => SubmissionFinding::Landed {
                paid_id,
                reported: None,
                already_linked: false,
            },
            Answer::Unknown(unknown) => Undecided::unanswered(unknown).into(),
            Answer::Refused(codes) if codes.is_already_linked() => self.linked_already(codes).await,
            Answer::Refused(codes) => {
                SubmissionFinding::Refused(outcome(codes, text!("paid-refused-the-application")))
            }
        }
    }

    /// C01 although nothing of ours can have arrived: only the banner explains that as this member's own link. Any
    /// other link is somebody else's, and adopting it would let one company buy on another's account.
    async fn linked_already(mut self, codes: Codes) -> SubmissionFinding {
        match self.used_the_banner().await {
            Ok(true) => {
                // Where the status cannot be had right now, the next refresh brings it.
                let reported = match self.status().await {
                    StatusAnswer::Reported(reported) => Some(reported),
                    StatusAnswer::Refused(_) | StatusAnswer::Unclear => None,
                };
                SubmissionFinding::Landed {
                    paid_id: None,
                    reported,
                    already_linked: true,
                }
            }
            Ok(false) => SubmissionFinding::Refused(outcome(
                codes,
                text!("customer-number-is-linked-already"),
            )),
            // The link can still be asked for, so it is left open rather than decided without knowing.
            Err(error) => {
                tracing::error!(operation = %self.operation.id, %error, "the member of a submission could not be read");
                Undecided::refused_for_now(codes, text!("member-could-not-be-read")).into()
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
    async fn ask_then_send(mut self) -> SubmissionFinding {
        match self.status().await {
            StatusAnswer::Reported(reported) => SubmissionFinding::Landed {
                paid_id: None,
                reported: Some(reported),
                already_linked: false,
            },
            StatusAnswer::Refused(codes) if codes.is_unknown_member() => {
                match self.refused_before() {
                    Some(refused) => SubmissionFinding::Refused(refused),
                    None => self.send_again().await,
                }
            }
            StatusAnswer::Refused(codes) => {
                Undecided::asked(codes, text!("paid-did-not-say-whether")).into()
            }
            StatusAnswer::Unclear => {
                Undecided::asked(Codes::none(), text!("paid-did-not-say-whether")).into()
            }
        }
    }

    /// The last send was refused for what it says, and Paid has just said that no earlier one arrived either. The refusal
    /// alone would prove nothing; together they do.
    fn refused_before(&self) -> Option<Outcome> {
        let refusal = self
            .operation
            .refusal
            .as_ref()
            .map(|refusal| refusal.0.clone())?;
        let codes: Codes = refusal.codes.iter().map(String::as_str).collect();
        let proves_nothing = codes.is_empty()
            || codes.is_request_fault()
            || codes.is_server_failure()
            || codes.is_already_linked()
            || codes.is_unknown_member();
        (!proves_nothing).then_some(refusal)
    }

    async fn send_again(mut self) -> SubmissionFinding {
        let Some(answer) = self.send().await else {
            return Undecided::not_ours().into();
        };
        match answer {
            Answer::Done { paid_id } => SubmissionFinding::Landed {
                paid_id,
                reported: None,
                already_linked: false,
            },
            Answer::Unknown(unknown) => Undecided::unanswered(unknown).into(),
            // An earlier send arrived between the question and this one, or refuses what the next question settles.
            Answer::Refused(codes) => {
                Undecided::refused_for_now(codes, text!("paid-refused-a-repeat-earlier-may-stand"))
                    .into()
            }
        }
    }

    async fn send(&mut self) -> Option<Answer> {
        self.hold
            .send(
                self.account,
                paid::Endpoint::Apply,
                &self.operation.body,
                self.calls,
            )
            .await
    }

    async fn status(&mut self) -> StatusAnswer {
        let key = &self.operation.paid_key;
        let read = self
            .app
            .paid
            .status(self.account, std::slice::from_ref(key), None)
            .await;
        self.calls.note_read(&read.attempts);
        match read.result {
            Ok(mut answers) => answers.remove(key).unwrap_or(StatusAnswer::Unclear),
            Err(_) => StatusAnswer::Unclear,
        }
    }
}
