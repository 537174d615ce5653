//! The Paid application (Paid申請): asking Paid to screen the pair (member, store).

use super::member::{MemberStatus, PaymentMethod};
use super::store::MemberApproval;

text_enum! {
    /// Where the application stands. A cache of what Paid last said, but for `none` and `pending`, which are ours.
    ApplicationStatus {
        /// Never applied, or the application was dropped.
        None = "none" ("", "none"),
        /// To be submitted.
        Pending = "pending" ("申請待ち", "pending"),
        /// Paid accepted the submission; same meaning as under screening.
        Submitted = "submitted" ("申請済", "submitted"),
        /// Paid screens.
        UnderReview = "under_review" ("審査中", "under review"),
        /// Paid said no.
        Declined = "declined" ("利用不可", "declined"),
        /// Screened, but may not buy at present.
        ApprovedInactive = "approved_inactive" ("利用可能-取引不可", "approved, trading stopped"),
        /// May buy: the only status that may pay.
        ApprovedActive = "approved_active" ("利用可能-取引中", "approved, trading"),
    }
}

impl ApplicationStatus {
    /// May an admin, a CSV row or a wish set `target` by hand? Everything else is Paid's.
    pub fn may_be_set_by_hand(self, target: Self) -> bool {
        use ApplicationStatus::{
            ApprovedActive, ApprovedInactive, Declined, None, Pending, Submitted, UnderReview,
        };
        match self {
            None => matches!(target, Pending | None),
            Pending => matches!(target, None | Pending),
            Declined => matches!(target, Pending | None | Declined),
            Submitted | UnderReview | ApprovedInactive | ApprovedActive => target == self,
        }
    }

    /// What the cached status becomes when Paid answers `answer`.
    ///
    /// `pending` is ours: see *Pending gives way only to an approval* in docs/rules.md.
    pub fn after_answer(self, answer: Self) -> Self {
        let approved = matches!(answer, Self::ApprovedActive | Self::ApprovedInactive);
        if self == Self::Pending && !approved {
            self
        } else {
            answer
        }
    }

    /// What the buyer is told; screening details are not for the storefront.
    pub fn for_buyer(self) -> BuyerState {
        match self {
            Self::None => BuyerState::None,
            Self::Pending | Self::Submitted | Self::UnderReview => BuyerState::Applied,
            Self::ApprovedActive => BuyerState::Available,
            Self::Declined | Self::ApprovedInactive => BuyerState::Unavailable,
        }
    }
}

text_enum! {
    /// What a buyer sees of the application on "my page".
    BuyerState {
        /// Not applied.
        None = "none" ("未申請", "not applied"),
        /// Applied; also where Paid refused the submission.
        Applied = "applied" ("申請中", "applied"),
        /// May buy on deferred payment.
        Available = "available" ("利用可能", "available"),
        /// May not.
        Unavailable = "unavailable" ("利用不可", "unavailable"),
    }
}

text_enum! {
    /// The four patterns of a store that has Paid enabled.
    Pattern {
        /// Automatic approval, Paid for new members.
        Pattern1 = "pattern_1" ("パターン1", "pattern 1"),
        /// Manual approval, Paid for new members.
        Pattern2 = "pattern_2" ("パターン2", "pattern 2"),
        /// Automatic approval, no Paid for new members.
        Pattern3 = "pattern_3" ("パターン3", "pattern 3"),
        /// Manual approval, no Paid for new members.
        Pattern4 = "pattern_4" ("パターン4", "pattern 4"),
    }
}

impl Pattern {
    /// The pattern that two settings make.
    pub fn of(approval: MemberApproval, enable_for_new_members: bool) -> Self {
        match approval {
            MemberApproval::Automatic if enable_for_new_members => Self::Pattern1,
            MemberApproval::Automatic => Self::Pattern3,
            MemberApproval::Manual if enable_for_new_members => Self::Pattern2,
            MemberApproval::Manual => Self::Pattern4,
        }
    }

    /// Is Paid ticked on every new member?
    pub fn ticks_paid_for_new_members(self) -> bool {
        matches!(self, Self::Pattern1 | Self::Pattern2)
    }

    /// Does a registration with the wish submit the application at once?
    pub fn submits_at_registration(self) -> bool {
        matches!(self, Self::Pattern1 | Self::Pattern3)
    }
}

/// How a new member begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// By the store's approval option.
    pub status: MemberStatus,
    /// The ticked methods.
    pub payment_methods: Vec<PaymentMethod>,
    /// `none`, or `pending` with the wish.
    pub application_status: ApplicationStatus,
    /// Submit without an admin.
    pub submit_at_once: bool,
}

/// How a member begins who registers on the storefront. `paid` is the pattern in force, `None` where Paid is disabled.
pub fn beginning_of_registration(
    approval: MemberApproval,
    paid: Option<Pattern>,
    wants_paid: bool,
) -> Beginning {
    let wants_paid = wants_paid && paid.is_some();
    let ticked = wants_paid || paid.is_some_and(Pattern::ticks_paid_for_new_members);
    Beginning {
        status: match approval {
            MemberApproval::Automatic => MemberStatus::Active,
            MemberApproval::Manual => MemberStatus::PendingApproval,
        },
        payment_methods: default_methods(ticked),
        application_status: if wants_paid {
            ApplicationStatus::Pending
        } else {
            ApplicationStatus::None
        },
        submit_at_once: wants_paid && paid.is_some_and(Pattern::submits_at_registration),
    }
}

text_enum! {
    /// How somebody comes to Paid.
    WayIn {
        /// Registers on the storefront, wishing to pay with Paid.
        RegistrationWithWish = "registration_with_wish" ("会員登録（Paid希望あり）", "registers with the wish"),
        /// Registers without the wish.
        Registration = "registration" ("会員登録（Paid希望なし）", "registers without the wish"),
        /// Is a member, and asks on "my page".
        MyPage = "my_page" ("マイページからの申込", "asks on my page"),
        /// Is made a member by an admin.
        AdminCreates = "admin_creates" ("管理者による会員登録", "an admin creates the member"),
        /// Is a member, and an admin adds Paid.
        AdminAdds = "admin_adds" ("管理者によるPaid追加", "an admin adds Paid"),
    }
}

text_enum! {
    /// How an application gets to Paid.
    ToPaid {
        /// The registration submits it.
        Automatic = "automatic" ("登録時に自動申請", "submitted by the registration"),
        /// An admin ticks Paid and sets `pending` on the new member, then submits.
        AdminAppliesForNew = "admin_applies_for_new" ("管理者が登録時に申請", "an admin applies for a new member"),
        /// The wish is there as `pending`; an admin submits.
        AdminSubmits = "admin_submits" ("管理者が申請", "an admin submits"),
        /// An admin ticks Paid and sets `pending` on a member, then submits.
        AdminAppliesLater = "admin_applies_later" ("管理者が後から申請", "an admin applies for a member later"),
    }
}

/// What becomes of a way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// How the application gets to Paid, if one is made.
    pub operation: Option<ToPaid>,
    /// Of a new member.
    pub member_status: Option<MemberStatus>,
    /// Of a new member; of a present one what is added.
    pub payment_methods: Vec<PaymentMethod>,
    /// Until the operation is done.
    pub application_status: ApplicationStatus,
}

/// What becomes of a way in, see *Two switches make four patterns* in docs/rules.md. `paid` is the pattern in force, `None` where Paid is
/// disabled. `None`: it is refused.
pub fn way_to_paid(
    approval: MemberApproval,
    paid: Option<Pattern>,
    way: WayIn,
) -> Option<Expected> {
    let registered = |wants_paid| {
        let beginning = beginning_of_registration(approval, paid, wants_paid);
        let operation = match beginning.application_status {
            ApplicationStatus::Pending if beginning.submit_at_once => Some(ToPaid::Automatic),
            ApplicationStatus::Pending => Some(ToPaid::AdminSubmits),
            ApplicationStatus::None
            | ApplicationStatus::Submitted
            | ApplicationStatus::UnderReview
            | ApplicationStatus::Declined
            | ApplicationStatus::ApprovedInactive
            | ApplicationStatus::ApprovedActive => None,
        };
        Expected {
            operation,
            member_status: Some(beginning.status),
            payment_methods: beginning.payment_methods,
            application_status: beginning.application_status,
        }
    };
    let applied = |operation, member_status: Option<MemberStatus>, payment_methods| Expected {
        operation: Some(operation),
        member_status,
        payment_methods,
        application_status: ApplicationStatus::Pending,
    };
    let added = || vec![PaymentMethod::Paid];
    match way {
        WayIn::RegistrationWithWish => Some(registered(true)),
        WayIn::Registration => Some(registered(false)),
        _ if paid.is_none() => None,
        WayIn::MyPage => Some(applied(ToPaid::AdminSubmits, None, added())),
        WayIn::AdminAdds => Some(applied(ToPaid::AdminAppliesLater, None, added())),
        WayIn::AdminCreates => {
            let status = registered(false).member_status;
            Some(applied(
                ToPaid::AdminAppliesForNew,
                status,
                default_methods(true),
            ))
        }
    }
}

/// The methods of a new member, in a fixed order.
pub fn default_methods(paid: bool) -> Vec<PaymentMethod> {
    let paid = paid.then_some(PaymentMethod::Paid);
    paid.into_iter()
        .chain([PaymentMethod::BankTransfer, PaymentMethod::CashOnDelivery])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ApplicationStatus::{
        ApprovedActive, ApprovedInactive, Declined, None as Unset, Pending, Submitted, UnderReview,
    };

    #[test]
    fn by_hand_only_these_moves_are_allowed() {
        let allowed = [
            (Unset, Pending),
            (Pending, Unset),
            (Declined, Pending),
            (Declined, Unset),
        ];
        for from in ApplicationStatus::ALL {
            for to in ApplicationStatus::ALL {
                let expected = from == to || allowed.contains(&(*from, *to));
                assert_eq!(from.may_be_set_by_hand(*to), expected, "{from} -> {to}");
            }
        }
    }

    #[test]
    fn pending_gives_way_only_to_an_approval() {
        for answer in [Submitted, UnderReview, Declined] {
            assert_eq!(Pending.after_answer(answer), Pending);
            assert_eq!(ApprovedActive.after_answer(answer), answer);
        }
        for answer in [ApprovedActive, ApprovedInactive] {
            assert_eq!(Pending.after_answer(answer), answer);
        }
    }

    #[test]
    fn a_wish_ticks_paid_in_every_pattern_and_submits_only_under_automatic_approval() {
        for approval in MemberApproval::ALL.iter().copied() {
            for for_new in [true, false] {
                let pattern = Some(Pattern::of(approval, for_new));
                let wished = beginning_of_registration(approval, pattern, true);
                assert!(wished.payment_methods.contains(&PaymentMethod::Paid));
                assert_eq!(wished.application_status, Pending);
                assert_eq!(wished.submit_at_once, approval == MemberApproval::Automatic);
                let silent = beginning_of_registration(approval, pattern, false);
                assert_eq!(
                    silent.payment_methods.contains(&PaymentMethod::Paid),
                    for_new
                );
                assert_eq!(silent.application_status, Unset);
                assert!(!silent.submit_at_once);
            }
        }
    }
}
