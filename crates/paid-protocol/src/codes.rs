//! Paid's codes. Knows no operation: what follows from a code is decided by the caller.

/// The request could not be read.
pub const UNREADABLE: &str = "A01";
/// The auth code is missing or wrong.
pub const AUTH_FAILED: &str = "A02";
/// The request asks for nothing.
pub const EMPTY: &str = "A03";
/// More items than one request may carry.
pub const TOO_MANY: &str = "A04";
/// The e-mail address is already registered at Paid.
pub const EMAIL_TAKEN: &str = "B45";
/// The industry number does not exist.
pub const UNKNOWN_INDUSTRY: &str = "B53";
/// The customer number is already linked; also, assumed, the key of a sale was already used.
pub const DUPLICATE: &str = "C01";
/// No customer has this number.
pub const UNKNOWN_MEMBER: &str = "C02";
/// A failure on Paid's server.
pub const SERVER_FAILURE: &str = "D01";
/// Not a code but the item status of a sale that Paid does not know, or that is final. Kept among the codes so that a
/// refusal always says why.
pub const NOT_FOUND: &str = "NOT_FOUND";
/// Assumed: the sale exceeds the member's credit line.
pub const CREDIT_REFUSED: &str = "E01";
/// Assumed: the member may not buy at present.
pub const MEMBER_NOT_ACTIVE: &str = "E02";
/// Assumed: a field of the sale is malformed.
pub const MALFORMED_SALE: &str = "E03";

/// The codes of one answer, in Paid's order, without repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Codes(Vec<String>);

impl Codes {
    /// No code.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// One code.
    pub fn one(code: impl Into<String>) -> Self {
        Self(vec![code.into()])
    }

    /// Adds a code unless it is there.
    pub fn add(&mut self, code: impl Into<String>) {
        let code = code.into();
        if !self.0.contains(&code) {
            self.0.push(code);
        }
    }

    /// Adds those of another answer.
    pub fn extend(&mut self, other: &Self) {
        for code in &other.0 {
            self.add(code);
        }
    }

    /// Is this code among them?
    pub fn contains(&self, code: &str) -> bool {
        self.0.iter().any(|known| known == code)
    }

    /// No code at all?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The codes.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// The codes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The codes, as a row stores them.
    pub fn into_vec(self) -> Vec<String> {
        self.0
    }

    /// A01 to A04: the request as a whole was not taken. Ask [`Self::is_auth_failure`] first.
    pub fn is_request_fault(&self) -> bool {
        [UNREADABLE, AUTH_FAILED, EMPTY, TOO_MANY]
            .iter()
            .any(|code| self.contains(code))
    }

    /// A02: the store's credentials are wrong.
    pub fn is_auth_failure(&self) -> bool {
        self.contains(AUTH_FAILED)
    }

    /// A04: fewer items per request are needed.
    pub fn is_too_many(&self) -> bool {
        self.contains(TOO_MANY)
    }

    /// D01: nobody knows whether the work was done.
    pub fn is_server_failure(&self) -> bool {
        self.contains(SERVER_FAILURE)
    }

    /// B45: the e-mail address belongs to a customer of Paid.
    pub fn is_email_taken(&self) -> bool {
        self.contains(EMAIL_TAKEN)
    }

    /// The customer number, or by setting the key of a sale, was used before.
    pub fn is_duplicate(&self, duplicate_code: &str) -> bool {
        self.contains(duplicate_code)
    }

    /// C01 on an application: the customer number is linked already.
    pub fn is_already_linked(&self) -> bool {
        self.contains(DUPLICATE)
    }

    /// C02: no customer has this number.
    pub fn is_unknown_member(&self) -> bool {
        self.contains(UNKNOWN_MEMBER)
    }

    /// The sale is unknown to Paid, or final.
    pub fn is_not_found(&self) -> bool {
        self.contains(NOT_FOUND)
    }
}

impl<S: Into<String>> FromIterator<S> for Codes {
    fn from_iter<I: IntoIterator<Item = S>>(codes: I) -> Self {
        let mut all = Self::none();
        for code in codes {
            all.add(code);
        }
        all
    }
}

impl std::fmt::Display for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(","))
    }
}
