//! What needs a human, and what the human may do about it.

use super::money::Yen;
use super::operation::{OperationKind, OperationState};
use super::payment::{HandlingStatus, PaymentFlag, PaymentStatus};

text_enum! {
    /// Why an order or a member stands on the reconciliation list.
    Cause {
        /// The order's total and the amount at Paid differ.
        AmountMismatch = "amount_mismatch" ("金額の不一致", "amounts differ"),
        /// The order is labelled cancelled, its payment is open.
        CancelledButOpen = "cancelled_but_open" ("取消済み受注の未確定決済", "cancelled, but the payment is open"),
        /// Paid has not said yes or no for too long.
        ProcessingTooLong = "processing_too_long" ("長時間の処理中", "processing for too long"),
        /// Nobody has confirmed for too long.
        UnconfirmedTooLong = "unconfirmed_too_long" ("長期間の未確定", "unconfirmed for too long"),
        /// Paid shows a move back.
        MovedBack = "moved_back" ("Paid側での状態の逆行", "moved back at Paid"),
        /// Paid does not know the sale.
        MissingAtPaid = "missing_at_paid" ("Paidに存在しない", "missing at Paid"),
        /// An operation ran out of retries.
        Stuck = "stuck" ("処理の停滞", "stuck"),
        /// Paid answered with a code or an item status that has no meaning here.
        UnknownCode = "unknown_code" ("未知の応答コード", "code without a known meaning"),
        /// A submission ran out of retries.
        StuckApplication = "stuck_application" ("Paid申請の停滞", "submission stuck"),
    }
}

text_enum! {
    /// What a human does about it.
    Resolution {
        /// Send the shop's amount to Paid.
        Push = "push" ("受注金額をPaidへ反映", "push the shop's amount"),
        /// Leave it as it is, or take over what Paid last showed.
        Accept = "accept" ("差異を承認", "accept"),
        /// Drive the operation now.
        Retry = "retry" ("再試行", "retry"),
        /// Give a sale up: cancel it under its key, then `failed`.
        Abandon = "abandon" ("断念", "abandon"),
        /// Give a stuck submission up; the application waits to be submitted again.
        Close = "close" ("申請処理の終了", "close the submission"),
    }
}

/// What a human decided about an order or a member on the list.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What to do.
    pub action: Resolution,
    /// Why; kept in the event log.
    pub reason: String,
    /// With `accept`: take over what Paid last showed.
    pub adopt: bool,
}

/// What is known of an order's payment.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The order's total.
    pub total: Yen,
    /// The shop's label.
    pub handling_status: HandlingStatus,
    /// Where the payment stands.
    pub status: PaymentStatus,
    /// What Paid holds.
    pub amount: Yen,
    /// Why it is flagged.
    pub flag: Option<PaymentFlag>,
    /// What is open on it.
    pub operation: Option<(OperationKind, OperationState)>,
    /// It has been `processing` or `unconfirmed` beyond the limit for its status.
    pub too_long: bool,
    /// A human accepted these very amounts.
    pub accepted: bool,
    /// Paid answered something without a meaning here, and no human has accepted that.
    pub unknown_code: bool,
}

impl Situation {
    /// Why it needs a human; empty if it does not. What was accepted stays off, but for work that is not finished.
    pub fn causes(&self) -> Vec<Cause> {
        let mut causes = Vec::new();
        let mut because = |holds: bool, cause: Cause| {
            if holds {
                causes.push(cause);
            }
        };
        let fresh = !self.accepted;
        let processing = self.status == PaymentStatus::Processing;
        because(
            fresh && self.status.shows_mismatch() && self.amount != self.total,
            Cause::AmountMismatch,
        );
        let cancelled = self.handling_status == HandlingStatus::Cancelled;
        because(
            fresh && cancelled && self.status.is_open(),
            Cause::CancelledButOpen,
        );
        because(processing && self.too_long, Cause::ProcessingTooLong);
        let unconfirmed = self.status == PaymentStatus::Unconfirmed;
        because(
            fresh && unconfirmed && self.too_long,
            Cause::UnconfirmedTooLong,
        );
        because(
            fresh && self.flag == Some(PaymentFlag::MovedBack),
            Cause::MovedBack,
        );
        because(
            fresh && self.flag == Some(PaymentFlag::MissingAtPaid),
            Cause::MissingAtPaid,
        );
        because(
            self.operation
                .is_some_and(|(_, state)| state == OperationState::Stuck),
            Cause::Stuck,
        );
        because(self.unknown_code, Cause::UnknownCode);
        causes
    }

    /// What may be done. `may_change_amount`: can the amount of a sale be changed at Paid at all?
    pub fn allowed_actions(&self, may_change_amount: bool) -> Vec<Resolution> {
        match self.operation {
            Some((OperationKind::Register, _)) => vec![Resolution::Retry, Resolution::Abandon],
            Some((_, OperationState::Stuck)) => vec![Resolution::Retry, Resolution::Accept],
            Some(_) => vec![Resolution::Retry],
            None => {
                let differs =
                    self.status == PaymentStatus::Unconfirmed && self.amount != self.total;
                let push = differs && may_change_amount && self.total >= Yen(1);
                push.then_some(Resolution::Push)
                    .into_iter()
                    .chain([Resolution::Accept])
                    .collect()
            }
        }
    }
}

/// What is known of a member's application.
#[derive(Clone, Copy, Debug)]
pub struct ApplicationSituation {
    /// The submission that is open or stuck.
    pub submission: Option<OperationState>,
    /// Paid answered something without a meaning here, and no human has accepted that.
    pub unknown_code: bool,
}

impl ApplicationSituation {
    /// Why it needs a human; empty if it does not.
    pub fn causes(self) -> Vec<Cause> {
        let stuck =
            (self.submission == Some(OperationState::Stuck)).then_some(Cause::StuckApplication);
        let unknown = self.unknown_code.then_some(Cause::UnknownCode);
        unknown.into_iter().chain(stuck).collect()
    }

    /// What may be done.
    pub fn allowed_actions(self) -> Vec<Resolution> {
        let mut allowed = match self.submission {
            Some(OperationState::Stuck) => vec![Resolution::Retry, Resolution::Close],
            Some(OperationState::Open) => vec![Resolution::Retry],
            Some(OperationState::Done | OperationState::Refused | OperationState::Abandoned)
            | None => Vec::new(),
        };
        allowed.extend(self.unknown_code.then_some(Resolution::Accept));
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Situation = Situation {
        total: Yen(1000),
        handling_status: HandlingStatus::New,
        status: PaymentStatus::Unconfirmed,
        amount: Yen(1000),
        flag: None,
        operation: None,
        too_long: false,
        accepted: false,
        unknown_code: false,
    };

    #[test]
    fn an_order_in_good_order_needs_nobody() {
        assert!(CALM.causes().is_empty());
    }

    #[test]
    fn each_cause_is_told_and_several_at_once() {
        let differs = Situation {
            amount: Yen(900),
            handling_status: HandlingStatus::Cancelled,
            ..CALM
        };
        assert_eq!(
            differs.causes(),
            [Cause::AmountMismatch, Cause::CancelledButOpen]
        );
        assert_eq!(
            differs.allowed_actions(true),
            [Resolution::Push, Resolution::Accept]
        );
        assert_eq!(differs.allowed_actions(false), [Resolution::Accept]);
        let late = Situation {
            too_long: true,
            ..CALM
        };
        assert_eq!(late.causes(), [Cause::UnconfirmedTooLong]);
        assert_eq!(
            Situation {
                status: PaymentStatus::Processing,
                ..late
            }
            .causes(),
            [Cause::ProcessingTooLong]
        );
        let flagged = Situation {
            flag: Some(PaymentFlag::MovedBack),
            ..CALM
        };
        assert_eq!(flagged.causes(), [Cause::MovedBack]);
    }

    #[test]
    fn what_was_accepted_stays_off_the_list_but_unfinished_work_does_not() {
        let accepted = Situation {
            amount: Yen(900),
            accepted: true,
            ..CALM
        };
        assert!(accepted.causes().is_empty());
        let stuck = Situation {
            operation: Some((OperationKind::Confirm, OperationState::Stuck)),
            ..accepted
        };
        assert_eq!(stuck.causes(), [Cause::Stuck]);
        let unknown = Situation {
            unknown_code: true,
            ..accepted
        };
        assert_eq!(unknown.causes(), [Cause::UnknownCode]);
    }

    #[test]
    fn a_submission_can_be_closed_only_when_it_is_stuck() {
        let calm = ApplicationSituation {
            submission: None,
            unknown_code: false,
        };
        assert!(calm.causes().is_empty() && calm.allowed_actions().is_empty());
        let open = ApplicationSituation {
            submission: Some(OperationState::Open),
            ..calm
        };
        assert!(open.causes().is_empty());
        assert_eq!(open.allowed_actions(), [Resolution::Retry]);
        let stuck = ApplicationSituation {
            submission: Some(OperationState::Stuck),
            unknown_code: true,
        };
        assert_eq!(
            stuck.causes(),
            [Cause::UnknownCode, Cause::StuckApplication]
        );
        assert_eq!(
            stuck.allowed_actions(),
            [Resolution::Retry, Resolution::Close, Resolution::Accept]
        );
    }

    #[test]
    fn only_a_sale_that_is_asked_for_can_be_abandoned() {
        for kind in [
            OperationKind::Amend,
            OperationKind::Confirm,
            OperationKind::Cancel,
        ] {
            let stuck = Situation {
                operation: Some((kind, OperationState::Stuck)),
                ..CALM
            };
            assert_eq!(
                stuck.allowed_actions(true),
                [Resolution::Retry, Resolution::Accept]
            );
        }
        let register = Situation {
            operation: Some((OperationKind::Register, OperationState::Open)),
            ..CALM
        };
        assert_eq!(
            register.allowed_actions(true),
            [Resolution::Retry, Resolution::Abandon]
        );
    }
}
