//! A store's own choices.

use std::ops::RangeInclusive;

/// How many characters the short name of a store (its slug) may have.
pub const MAX_SLUG: usize = 40;

/// How many characters the name of a store may have.
pub const NAME_LENGTH: RangeInclusive<usize> = 1..=100;

/// How many minutes may lie between scheduled refreshes of application statuses, where there are any.
pub const STATUS_REFRESH_MINUTES: RangeInclusive<i32> = 15..=10_080;

/// After how many days an unconfirmed payment may show in reconciliation.
pub const UNCONFIRMED_ALERT_DAYS: RangeInclusive<i32> = 1..=3650;

/// How many registrations an hour may send an application to Paid by themselves.
pub const APPLICATIONS_PER_HOUR: RangeInclusive<i32> = 0..=10_000;

text_enum! {
    /// Does a new member become active by itself (会員承認)? The store's option, not Paid's.
    MemberApproval {
        /// A new member is active at once.
        Automatic = "automatic" ("自動承認", "automatic"),
        /// An admin approves each new member.
        Manual = "manual" ("手動承認", "manual"),
    }
}

text_enum! {
    /// Which Paid a store talks to. The address of each is the operator's.
    Environment {
        /// A stand-in for Paid.
        Sandbox = "sandbox" ("テスト環境", "sandbox"),
        /// Paid itself.
        Live = "live" ("本番環境", "live"),
    }
}

text_enum! {
    /// What the last call to Paid, or the connection test, said about the credentials.
    Health {
        /// Nothing was asked yet.
        Unknown = "unknown" ("未確認", "unknown"),
        /// Paid accepted the auth code.
        Ok = "ok" ("正常", "ok"),
        /// Paid refused the auth code (A02).
        AuthFailed = "auth_failed" ("認証エラー", "authentication failed"),
        /// No usable answer came.
        Unreachable = "unreachable" ("接続不可", "unreachable"),
    }
}

text_enum! {
    /// What happens to a fraction of a yen of consumption tax.
    TaxRounding {
        /// Cut off.
        Floor = "floor" ("切り捨て", "floor"),
        /// Half a yen and more goes up.
        Round = "round" ("四捨五入", "round half up"),
        /// Any fraction goes up.
        Ceil = "ceil" ("切り上げ", "ceil"),
    }
}

/// Is this a registration number of a qualified invoice issuer: `T` and 13 digits?
pub fn is_invoice_registration_number(text: &str) -> bool {
    text.len() == 14 && text.starts_with('T') && text[1..].bytes().all(|byte| byte.is_ascii_digit())
}
