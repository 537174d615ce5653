//! Finds out what became of an operation on a sale, by asking Paid, by sending it, or both.

use super::intent;
use crate::app::App;
use crate::db::operation::Operation;
use crate::db::payment::{self, Payment};
use crate::domain::PaidKey;
use crate::domain::operation::{Outcome, SalePlan};
use crate::domain::settlement::{Sale, SaleStatus, Verdict, verdict};
use crate::error::{Error, OrNotFound};
use crate::paid::{self, Account, Answer, Codes, Inquiry};
use crate::texts::Text;
use crate::workflows::durable::lease::Hold;
use crate::workflows::durable::undecided::{Undecided, outcome};
use crate::workflows::provider::Calls;

/// What one drive of an operation found out.
#[derive(Clone, Debug)]
pub enum SaleFinding {
    /// It took effect, with what Paid shows of the sale, where it was asked.
    Done(Option<Sale>),
    /// It did not, and will not. `found` is adopted.
    Refused {
        /// Codes and words.
        outcome: Outcome,
        /// What Paid shows instead.
        found: Option<Sale>,
    },
    /// The sale was given up, and is not or no longer at Paid.
    GivenUp(Gone),
    /// A sale that came about after it was given up stands at Paid, which does not cancel it.
    CameLate(Sale),
    /// Not known yet: it is driven again.
    Open(Undecided),
    /// Not knowable: it waits for a human.
    Stuck(Outcome),
}

/// Why a sale that was given up is not at Paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// This drive cancelled it.
    Cancelled,
    /// It was cancelled before. As its key is used, no send can make a sale any more.
    WasCancelled,
    /// Paid does not know it. A send may still be on its way.
    NotThere,
}

impl SaleFinding {
    fn refused(codes: Codes, message: Text, found: Option<Sale>) -> Self {
        Self::Refused {
            outcome: outcome(codes, message),
            found,
        }
    }

    fn missing(codes: Codes) -> Self {
        let outcome = Outcome {
            missing: true,
            ..outcome(codes, text!("paid-does-not-know-the-sale"))
        };
        Self::Refused {
            outcome,
            found: None,
        }
    }
}

impl From<Undecided> for SaleFinding {
    fn from(undecided: Undecided) -> Self {
        Self::Open(undecided)
    }
}

/// One drive of an operation that the caller holds.
///
/// # Errors
/// By a fault of ours; nothing is known then that was not known before.
pub async fn find_out(
    app: &App,
    account: &Account,
    hold: &Hold<'_>,
    plan: &SalePlan,
    calls: &mut Calls,
) -> Result<SaleFinding, Error> {
    let operation = hold.operation();
    let asking = SaleDrive {
        app,
        account,
        hold,
        operation,
        plan,
        calls,
    };
    if operation.looks_again && app.config.paid.capabilities.inquiry {
        asking.look_again().await
    } else if operation.looks_again || operation.giving_up {
        asking.give_up().await
    } else if operation.may_have_arrived && app.config.paid.capabilities.inquiry {
        Ok(asking.inquire_then_send().await)
    } else {
        Ok(asking.send().await)
    }
}

/// An inquiry that says nothing of the sale.
const UNCLEAR: Text = text!("paid-did-not-say-what-became-of-the-sale");

/// NOT_FOUND.
const NOT_MOVED: Text = text!("paid-knows-no-open-sale-under-this-key");

/// Paid does not cancel a sale that was given up.
const NOT_CANCELLED: Text = text!("paid-refused-to-cancel-the-sale");

struct SaleDrive<'a> {
    app: &'a App,
    account: &'a Account,
    hold: &'a Hold<'a>,
    operation: &'a Operation,
    plan: &'a SalePlan,
    calls: &'a mut Calls,
}

impl SaleDrive<'_> {
    /// A send may have arrived: Paid is asked first, and the settlement table decides.
    async fn inquire_then_send(mut self) -> SaleFinding {
        let found = match self.inquire().await {
            Inquiry::Found(sale) => Some(sale),
            Inquiry::NotFound => None,
            Inquiry::Unclear(codes) => return Undecided::asked(codes, UNCLEAR).into(),
        };
        match self.settled_by(found, Codes::none()) {
            Some(finding) => finding,
            None => match refused_before(self.operation, &self.app.config.paid) {
                Some(refused) => SaleFinding::Refused {
                    outcome: refused,
                    found,
                },
                None => self.send().await,
            },
        }
    }

    /// What the settlement table makes of what Paid shows; `None`: nothing took effect. `codes` are those of a refusal.
    fn settled_by(&self, found: Option<Sale>, codes: Codes) -> Option<SaleFinding> {
        match verdict(self.plan, found) {
            Verdict::Done => Some(SaleFinding::Done(found)),
            Verdict::SendAgain => None,
            Verdict::RefusedAdopt => Some(SaleFinding::refused(
                codes,
                text!("something-else-happened-at-paid"),
                found,
            )),
            Verdict::RefusedMissing => Some(SaleFinding::missing(codes)),
        }
    }

    async fn send(mut self) -> SaleFinding {
        let call = intent::endpoint(self.plan);
        let Some(answer) = self
            .hold
            .send(self.account, call, &self.operation.body, self.calls)
            .await
        else {
            return Undecided::not_ours().into();
        };
        match answer {
            Answer::Done { .. } => SaleFinding::Done(None),
            Answer::Unknown(unknown) => Undecided::unanswered(unknown).into(),
            Answer::Refused(codes) if self.operation.may_have_arrived => {
                self.refused_after_a_send(codes)
            }
            Answer::Refused(codes) if codes.is_not_found() => {
                self.refused_as_not_found(codes).await
            }
            Answer::Refused(codes) => SaleFinding::refused(codes, text!("paid-refused"), None),
        }
    }

    /// An earlier send may have arrived, so this refusal proves nothing, but for a key that Paid knows already.
    fn refused_after_a_send(&self, codes: Codes) -> SaleFinding {
        let config = &self.app.config.paid;
        let landed = matches!(self.plan, SalePlan::Register { .. })
            && codes.is_duplicate(&config.duplicate_code);
        if landed && !config.capabilities.inquiry {
            return SaleFinding::Done(None);
        }
        if config.capabilities.inquiry || codes.is_request_fault() {
            return Undecided::refused_for_now(
                codes,
                text!("paid-refused-a-repeat-earlier-may-stand"),
            )
            .into();
        }
        SaleFinding::Stuck(outcome(
            codes,
            text!("paid-refused-a-repeat-and-cannot-be-asked"),
        ))
    }

    /// Paid moves no final and no unknown sale. Which of the two it is, an inquiry tells: what was asked for may stand
    /// there already, by somebody's hand in Paid's console.
    async fn refused_as_not_found(&mut self, codes: Codes) -> SaleFinding {
        if !self.app.config.paid.capabilities.inquiry {
            return SaleFinding::refused(codes, NOT_MOVED, None);
        }
        let found = match self.inquire().await {
            Inquiry::Found(sale) => Some(sale),
            Inquiry::NotFound => None,
            Inquiry::Unclear(_) => return Undecided::refused_for_now(codes, UNCLEAR).into(),
        };
        self.settled_by(found, codes.clone())
            .unwrap_or_else(|| SaleFinding::refused(codes, NOT_MOVED, found))
    }

    /// The sale is cancelled under its key, whether it exists or not.
    async fn give_up(self) -> Result<SaleFinding, Error> {
        let payment = self.payment().await?;
        Ok(self.cancel(&payment.customer_number).await)
    }

    async fn cancel(mut self, buyer: &PaidKey) -> SaleFinding {
        let body = paid::body::cancel(buyer, &self.operation.paid_key);
        let Some(answer) = self
            .hold
            .send(self.account, paid::Endpoint::Cancel, &body, self.calls)
            .await
        else {
            return Undecided::not_ours().into();
        };
        match answer {
            Answer::Done { .. } => SaleFinding::GivenUp(Gone::Cancelled),
            Answer::Unknown(unknown) => Undecided::unanswered(unknown).into(),
            Answer::Refused(codes) if codes.is_request_fault() => {
                Undecided::refused_for_now(codes, text!("paid-refused")).into()
            }
            Answer::Refused(codes) if !self.app.config.paid.capabilities.inquiry => {
                if codes.is_not_found() {
                    SaleFinding::GivenUp(Gone::NotThere)
                } else {
                    Undecided::refused_for_now(codes, NOT_CANCELLED).into()
                }
            }
            Answer::Refused(codes) => match self.inquire().await {
                Inquiry::NotFound => SaleFinding::GivenUp(Gone::NotThere),
                Inquiry::Found(Sale {
                    status: SaleStatus::Canceled,
                    ..
                }) => SaleFinding::GivenUp(Gone::WasCancelled),
                Inquiry::Found(sale) if self.operation.looks_again => SaleFinding::CameLate(sale),
                Inquiry::Found(
                    sale @ Sale {
                        status: SaleStatus::Fixed,
                        ..
                    },
                ) => SaleFinding::Done(Some(sale)),
                Inquiry::Found(_) | Inquiry::Unclear(_) => {
                    Undecided::refused_for_now(codes, NOT_CANCELLED).into()
                }
            },
        }
    }

    /// The last send of a sale that came to nothing must be over by now. If it made a sale after all, that is cancelled.
    async fn look_again(mut self) -> Result<SaleFinding, Error> {
        Ok(match self.inquire().await {
            Inquiry::NotFound => SaleFinding::GivenUp(Gone::NotThere),
            Inquiry::Found(Sale {
                status: SaleStatus::Canceled,
                ..
            }) => SaleFinding::GivenUp(Gone::WasCancelled),
            Inquiry::Found(
                sale @ Sale {
                    status: SaleStatus::Fixed,
                    ..
                },
            ) => SaleFinding::CameLate(sale),
            Inquiry::Found(Sale {
                status: SaleStatus::Registered,
                ..
            }) => return self.give_up().await,
            Inquiry::Unclear(codes) => {
                Undecided::asked(codes, text!("paid-did-not-say-whether-the-sale-came")).into()
            }
        })
    }

    async fn payment(&self) -> Result<Payment, Error> {
        let order = self.operation.order_id.or_not_found()?;
        payment::find(self.operation.store_id, order, &*self.app.db().await?)
            .await?
            .or_not_found()
    }

    async fn inquire(&mut self) -> Inquiry {
        let key = &self.operation.paid_key;
        let read = self
            .app
            .paid
            .sales(self.account, std::slice::from_ref(key), None)
            .await;
        self.calls.note_read(&read.attempts);
        match read.result {
            Ok(mut answers) => answers
                .remove(key)
                .unwrap_or(Inquiry::Unclear(Codes::none())),
            Err(failure) => Inquiry::Unclear(failure.codes().clone()),
        }
    }
}

/// The last send was refused for what it asks, and Paid has just shown that no earlier one took effect. Either alone
/// would prove nothing; together they settle it.
fn refused_before(operation: &Operation, config: &paid::Config) -> Option<Outcome> {
    let refusal = operation
        .refusal
        .as_ref()
        .map(|refusal| refusal.0.clone())?;
    let codes: Codes = refusal.codes.iter().cloned().collect();
    let proves_nothing = codes.is_empty()
        || codes.is_request_fault()
        || codes.is_server_failure()
        || codes.is_not_found()
        || codes.is_duplicate(&config.duplicate_code);
    (!proves_nothing).then_some(refusal)
}
