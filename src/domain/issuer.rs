//! Providers of identities whose tokens a store takes.

text_enum! {
    /// Whom an issuer speaks of.
    IssuerSubjects {
        /// Buyers, of the storefront.
        Members = "members" ("会員", "members"),
        /// The shop's staff.
        Users = "users" ("スタッフ", "users"),
    }
}

text_enum! {
    /// What a claim is compared with.
    MatchTo {
        /// The member's number.
        Number = "number" ("会員番号", "number"),
        /// The e-mail address, if the issuer has verified it.
        Email = "email" ("メールアドレス", "e-mail address"),
    }
}

/// The most issuers of a store.
pub const MOST_ISSUERS: i64 = 10;

/// How long an audience may be, in characters.
pub const LONGEST_AUDIENCE: usize = 200;

/// How long the name of a claim may be, in characters.
pub const LONGEST_CLAIM: usize = 100;
