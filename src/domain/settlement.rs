//! What an inquiry at Paid means: for an operation whose answer was lost, and for a payment that is refreshed.

use super::money::Yen;
use super::operation::SalePlan;
use super::payment::PaymentStatus;

/// A sale as Paid shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sale {
    /// Its state.
    pub status: SaleStatus,
    /// Its amount, tax included.
    pub price: Yen,
}

text_enum! {
    /// The state of a sale at Paid (the words are assumed).
    ///
    /// - `REGISTERED`: 仮売上 (provisional)
    /// - `FIXED`: 確定 (fixed)
    /// - `CANCELED`: 取消 (cancelled)
    SaleStatus {
        /// Provisional.
        Registered = "REGISTERED" ("仮売上", "registered"),
        /// Fixed.
        Fixed = "FIXED" ("確定", "fixed"),
        /// Cancelled.
        Canceled = "CANCELED" ("取消", "cancelled"),
    }
}

impl SaleStatus {
    /// The payment status that says the same.
    pub fn as_payment(self) -> PaymentStatus {
        match self {
            Self::Registered => PaymentStatus::Unconfirmed,
            Self::Fixed => PaymentStatus::Confirmed,
            Self::Canceled => PaymentStatus::Cancelled,
        }
    }
}

/// What an open operation becomes when its sale was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It took effect: settle it. Where Paid shows more than was asked, that is adopted as found.
    Done,
    /// It did not take effect: send the same body again.
    SendAgain,
    /// It cannot take effect any more; what Paid shows is adopted as found.
    RefusedAdopt,
    /// It cannot take effect any more, and the payment is flagged `missing_at_paid`.
    RefusedMissing,
}

/// The settlement table: rows are operations, columns what Paid shows.
pub fn verdict(plan: &SalePlan, found: Option<Sale>) -> Verdict {
    use SalePlan::{Amend, Cancel, Confirm, Register};
    use SaleStatus::{Canceled, Fixed, Registered};
    use Verdict::{Done, RefusedAdopt, RefusedMissing, SendAgain};
    let Some(sale) = found else {
        return match plan {
            Register { .. } => SendAgain,
            Amend { .. } | Confirm { .. } | Cancel { .. } => RefusedMissing,
        };
    };
    match sale.status {
        Registered => match plan {
            Register { .. } => Done,
            Amend { amount, .. } if sale.price == *amount => Done,
            Amend { before, .. } if sale.price == *before => SendAgain,
            Amend { .. } => RefusedAdopt,
            Confirm { .. } | Cancel { .. } => SendAgain,
        },
        Fixed => match plan {
            Register { .. } | Confirm { .. } => Done,
            Amend { .. } | Cancel { .. } => RefusedAdopt,
        },
        Canceled => match plan {
            Register { .. } | Cancel { .. } => Done,
            Amend { .. } | Confirm { .. } => RefusedAdopt,
        },
    }
}

/// What a refresh does to a payment; see *What Paid shows is the payment's truth* and *A move back is flagged and not
/// adopted* in docs/rules.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// Paid shows what we know.
    Same,
    /// Paid's status and amount become the payment's.
    Adopt(Sale),
    /// A move back to open or out of `cancelled`: flagged, not adopted.
    MovedBack,
    /// Paid does not know the sale: flagged.
    Missing,
}

/// Compares a settled payment with what Paid shows.
pub fn adoption(status: PaymentStatus, amount: Yen, found: Option<Sale>) -> Adoption {
    use PaymentStatus::{Cancelled, Confirmed, Failed, Processing, Unconfirmed};
    use SaleStatus::{Canceled, Fixed, Registered};
    let Some(sale) = found else {
        return if status == Failed {
            Adoption::Same
        } else {
            Adoption::Missing
        };
    };
    let same_amount = if sale.price == amount {
        Adoption::Same
    } else {
        Adoption::Adopt(sale)
    };
    match status {
        Processing | Unconfirmed => match sale.status {
            Registered if status == Unconfirmed => same_amount,
            Registered | Fixed | Canceled => Adoption::Adopt(sale),
        },
        Confirmed => match sale.status {
            Registered => Adoption::MovedBack,
            Fixed => same_amount,
            Canceled => Adoption::Adopt(sale),
        },
        Cancelled => match sale.status {
            Registered | Fixed => Adoption::MovedBack,
            Canceled => same_amount,
        },
        Failed => match sale.status {
            Registered | Fixed => Adoption::MovedBack,
            Canceled => Adoption::Same,
        },
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use SaleStatus::{Canceled, Fixed, Registered};
    use Verdict::{Done, RefusedAdopt, RefusedMissing, SendAgain};

    #[test]
    fn the_settlement_table_is_the_one_of_the_manual() {
        let (asked, before, other) = (Yen(1200), Yen(1000), Yen(700));
        let register = SalePlan::Register { amount: asked };
        let amend = SalePlan::Amend {
            amount: asked,
            before,
            edit: None,
        };
        let confirm = SalePlan::Confirm {
            fixed_on: NaiveDate::default(),
        };
        let cancel = SalePlan::Cancel {
            cancel_order: false,
            reason: String::new(),
        };
        let sale = |status, price| Some(Sale { status, price });
        for (plan, found, expected) in [
            (&register, sale(Registered, asked), Done),
            (&register, sale(Registered, other), Done),
            (&register, sale(Fixed, asked), Done),
            (&register, sale(Canceled, asked), Done),
            (&register, None, SendAgain),
            (&amend, sale(Registered, asked), Done),
            (&amend, sale(Registered, before), SendAgain),
            (&amend, sale(Registered, other), RefusedAdopt),
            (&amend, sale(Fixed, asked), RefusedAdopt),
            (&amend, sale(Canceled, before), RefusedAdopt),
            (&amend, None, RefusedMissing),
            (&confirm, sale(Registered, before), SendAgain),
            (&confirm, sale(Fixed, before), Done),
            (&confirm, sale(Canceled, before), RefusedAdopt),
            (&confirm, None, RefusedMissing),
            (&cancel, sale(Registered, before), SendAgain),
            (&cancel, sale(Fixed, before), RefusedAdopt),
            (&cancel, sale(Canceled, before), Done),
            (&cancel, None, RefusedMissing),
        ] {
            assert_eq!(verdict(plan, found), expected, "{plan:?} and {found:?}");
        }
    }

    #[test]
    fn a_refresh_adopts_returns_and_never_a_move_back() {
        let sale = |status| {
            Some(Sale {
                status,
                price: Yen(500),
            })
        };
        let at = |status, found| adoption(status, Yen(500), found);
        assert_eq!(
            at(PaymentStatus::Confirmed, sale(Canceled)),
            Adoption::Adopt(sale(Canceled).unwrap())
        );
        assert_eq!(
            at(PaymentStatus::Confirmed, sale(Registered)),
            Adoption::MovedBack
        );
        assert_eq!(
            at(PaymentStatus::Cancelled, sale(Registered)),
            Adoption::MovedBack
        );
        assert_eq!(
            at(PaymentStatus::Cancelled, sale(Fixed)),
            Adoption::MovedBack
        );
        assert_eq!(at(PaymentStatus::Unconfirmed, None), Adoption::Missing);
        assert_eq!(
            at(PaymentStatus::Unconfirmed, sale(Registered)),
            Adoption::Same
        );
        assert_eq!(at(PaymentStatus::Failed, None), Adoption::Same);
    }
}
