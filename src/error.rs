//! Every way a request or a job can fail.

use crate::db::given_up::{GivenUp, given_up};
use crate::domain::{Fault, Faults, Reason};
use crate::texts::Text;

text_enum! {
    /// The stable, machine-readable code of a problem. What it means and what to do about it is in `docs/problems.md`.
    Code {
        /// The request cannot be read.
        Malformed = "malformed" ("リクエストを解釈できません", "The request cannot be read"),
        /// `Idempotency-Key` is required here.
        IdempotencyKeyMissing = "idempotency_key_missing" ("Idempotency-Keyが必要です", "Idempotency-Key is missing"),
        /// No token, or a bad one.
        TokenMissing = "token_missing" ("トークンがありません", "A token is needed"),
        /// The token is not one of ours, or it was tampered with.
        TokenInvalid = "token_invalid" ("トークンが無効です", "The token is not valid"),
        /// The token has expired.
        TokenExpired = "token_expired" ("トークンの有効期限が切れています", "The token has expired"),
        /// The refresh token was used before.
        InvalidRefreshToken = "invalid_refresh_token" ("更新トークンは使用済みです", "The refresh token was used before"),
        /// Wrong e-mail or password.
        LoginFailed = "login_failed" ("メールアドレスまたはパスワードが違います", "E-mail or password is wrong"),
        /// The password is right, and a second factor is asked for.
        SecondFactorRequired = "second_factor_required" ("二段階認証が必要です", "A second factor is needed"),
        /// The second factor is wrong.
        SecondFactorInvalid = "second_factor_invalid" ("認証コードが違います", "The code is wrong"),
        /// Credit was refused.
        CreditDeclined = "credit_declined" ("与信枠を利用できません", "Credit was declined"),
        /// The token is for the other API.
        WrongAudience = "wrong_audience" ("トークンの対象が違います", "The token is for the other API"),
        /// The token lacks a scope.
        MissingScope = "missing_scope" ("権限がありません", "The token lacks a scope"),
        /// Whoever is logged in has to show again who he is.
        StepUpRequired = "step_up_required" ("再認証が必要です", "Log-in must be confirmed again"),
        /// The store asks its owners for a second factor.
        SecondFactorNotSetUp = "second_factor_not_set_up" ("二段階認証が未設定です", "A second factor must be set up"),
        /// A client may not call from there.
        AddressNotAllowed = "address_not_allowed" ("この接続元からは利用できません", "The address is not allowed"),
        /// The member's status forbids it.
        MemberNotActive = "member_not_active" ("会員が有効ではありません", "The member is not active"),
        /// Nothing there.
        NotFound = "not_found" ("見つかりません", "Not found"),
        /// The path exists, the method does not.
        MethodNotAllowed = "method_not_allowed" ("メソッドが許可されていません", "Method not allowed"),
        /// The body is too large.
        BodyTooLarge = "body_too_large" ("本文が大きすぎます", "The body is too large"),
        /// The body did not arrive in time.
        BodyTooSlow = "body_too_slow" ("本文の受信が遅すぎます", "The body came too slowly"),
        /// The body is of another type.
        UnsupportedMediaType = "unsupported_media_type" ("対応していない形式です", "Unsupported media type"),
        /// Another member has the e-mail address.
        EmailTaken = "email_taken" ("メールアドレスは登録済みです", "The e-mail address is taken"),
        /// Another row has the number or code.
        NumberTaken = "number_taken" ("番号は使用済みです", "The number is taken"),
        /// Another row has the id of the other system.
        ExternalIdTaken = "external_id_taken" ("外部IDは使用済みです", "The external id is taken"),
        /// The status is Paid's to change.
        ApplicationStatusOwnedByPaid = "application_status_owned_by_paid" ("Paidが管理する状態です", "The application status is Paid's"),
        /// Nothing to submit.
        ApplicationNotPending = "application_not_pending" ("申請待ちではありません", "The application is not pending"),
        /// A submission is under way.
        ApplicationOperationInProgress = "application_operation_in_progress" ("申請の処理中です", "A submission is under way"),
        /// Paid or its pre-check found faults in the member's data.
        ApplicationRefused = "application_refused" ("申請内容に不備があります", "The application was refused"),
        /// The e-mail is known to Paid already.
        PaidEmailTaken = "paid_email_taken" ("メールアドレスはPaidに登録済みです", "The e-mail address is known to Paid"),
        /// The customer number belongs to somebody else's link.
        PaidNumberTaken = "paid_number_taken" ("Paidの顧客番号は使用済みです", "The customer number is taken at Paid"),
        /// The customer number is set and stays.
        CustomerNumberSet = "customer_number_set" ("顧客番号は設定済みです", "The customer number is set already"),
        /// A token for a member who has a password and asked for none.
        PasswordResetNotRequested = "password_reset_not_requested" ("パスワード再設定の申込がありません", "The member asked for no new password"),
        /// Paid is not ticked, and only the shop may tick it.
        PaidNotTicked = "paid_not_ticked" ("Paidが選択されていません", "Paid is not among the member's payment methods"),
        /// Paid is disabled in the settings.
        PaidDisabled = "paid_disabled" ("Paidが無効です", "Paid is disabled"),
        /// The banner is switched off.
        BannerDisabled = "banner_disabled" ("バナーが無効です", "The banner is disabled"),
        /// Work at Paid is still open.
        OpenPayments = "open_payments" ("未完了の決済があります", "Payments are still open"),
        /// The member has open work.
        MemberHasOpenWork = "member_has_open_work" ("会員に未完了の処理があります", "The member has open work"),
        /// The member's status does not allow the action.
        MemberStatusForbids = "member_status_forbids" ("会員ステータスにより実行できません", "The member's status does not allow it"),
        /// This order cannot be paid with Paid.
        PaidNotAvailable = "paid_not_available" ("Paidを利用できません", "Paid is not available"),
        /// The payment method is not ticked on the member.
        PaymentMethodNotAvailable = "payment_method_not_available" ("決済方法を利用できません", "The payment method is not available"),
        /// The total is not the expected one.
        PriceChanged = "price_changed" ("金額が変わりました", "The price changed"),
        /// The payment is in another state.
        PaymentNotUnconfirmed = "payment_not_unconfirmed" ("決済が未確定ではありません", "The payment is not unconfirmed"),
        /// A store has an owner.
        LastOwner = "last_owner" ("最後のオーナーです", "This is the last owner"),
        /// The order's total and the amount at Paid differ.
        AmountMismatch = "amount_mismatch" ("金額が一致しません", "The amounts differ"),
        /// Bulk work would take in another number of things than expected.
        CountMismatch = "count_mismatch" ("件数が一致しません", "The number differs from the expected one"),
        /// An action on the payment is under way.
        PaymentOperationInProgress = "payment_operation_in_progress" ("決済の処理中です", "A payment action is under way"),
        /// Paid does not know the sale.
        MissingAtPaid = "missing_at_paid" ("Paidに売上が存在しません", "The sale is missing at Paid"),
        /// Paid said no to the action.
        RefusedByPaid = "refused_by_paid" ("Paidに拒否されました", "Paid refused"),
        /// The order is in a state that forbids the change.
        OrderStateForbids = "order_state_forbids" ("受注の状態により実行できません", "The order's state does not allow it"),
        /// The action is not among the allowed ones.
        ActionNotAllowed = "action_not_allowed" ("実行できない操作です", "The action is not allowed now"),
        /// The first request under this key still runs.
        RequestInProgress = "request_in_progress" ("同じリクエストを処理中です", "The same request is still running"),
        /// The resource changed meanwhile.
        Stale = "stale" ("データが更新されています", "The resource has changed"),
        /// Fields are wrong; `errors` says which.
        Invalid = "invalid" ("入力内容に誤りがあります", "The input is not valid"),
        /// The key was used for another request.
        IdempotencyKeyReused = "idempotency_key_reused" ("Idempotency-Keyが再利用されています", "Idempotency-Key was used for another request"),
        /// `live` is not set up by the operator.
        LiveNotConfigured = "live_not_configured" ("本番環境は設定されていません", "The live environment is not set up"),
        /// The order comes to 0 yen.
        ZeroTotal = "zero_total" ("合計が0円です", "The total is 0 yen"),
        /// Too many requests.
        RateLimited = "rate_limited" ("リクエストが多すぎます", "Too many requests"),
        /// A fault of the service.
        Internal = "internal" ("サーバー内部エラー", "Internal error"),
        /// The capability is switched off.
        NotSupportedByProvider = "not_supported_by_provider" ("Paid側で未対応の操作です", "Not supported by the provider"),
        /// Paid refused the store's credentials.
        ProviderAuthFailed = "provider_auth_failed" ("Paidの認証に失敗しました", "Paid refused the credentials"),
        /// Paid could not read what we sent.
        ProviderRejectedRequest = "provider_rejected_request" ("Paidがリクエストを拒否しました", "Paid rejected the request"),
        /// Paid gave no answer; nothing was sent that could have an effect.
        ProviderUnavailable = "provider_unavailable" ("Paidに接続できません", "Paid cannot be reached"),
        /// Other work holds what the request needs.
        Busy = "busy" ("処理が混み合っています", "Other work is in the way"),
        /// The database gave the work up.
        TookTooLong = "took_too_long" ("処理に時間がかかりすぎました", "This took too long"),
        /// The service cannot answer right now.
        Unavailable = "unavailable" ("サービスを利用できません", "The service is unavailable"),
    }
}

/// A failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something the caller can act on.
    #[error("{}: {}", .0.code, .0.detail)]
    Problem(Box<Problem>),
    /// A fault of ours; logged once, at the edge, and never sent.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The stable code.
    pub code: Code,
    /// What happened and what to do, for people.
    pub detail: Text,
    /// Faults by field.
    pub errors: Vec<Fault>,
    /// Why not, where several reasons may hold at once.
    pub reasons: Vec<Reason>,
    /// Paid's codes; shown to the admin API only.
    pub paid_codes: Vec<String>,
    /// The member's application status, where it explains the problem; shown to the admin API only.
    pub application_status: Option<crate::domain::application::ApplicationStatus>,
    /// Seconds after which a repeat makes sense.
    pub retry_after: Option<u64>,
    /// The rate limit that was hit, in calls per minute.
    pub rate_limit: Option<u32>,
}

impl Problem {
    /// The same, which is over in about so many seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }
}

impl Code {
    /// Is what something was to be called another's already?
    pub fn says_that_it_is_taken(self) -> bool {
        matches!(
            self,
            Self::EmailTaken | Self::NumberTaken | Self::ExternalIdTaken
        )
    }

    /// The problem with this code and what happened.
    pub fn problem(self, detail: Text) -> Problem {
        Problem {
            code: self,
            detail,
            errors: Vec::new(),
            reasons: Vec::new(),
            paid_codes: Vec::new(),
            application_status: None,
            retry_after: None,
            rate_limit: None,
        }
    }

    /// The error with this code and what happened.
    pub fn because(self, detail: Text) -> Error {
        self.problem(detail).into()
    }
}

impl Error {
    /// A field of the body (a JSON pointer) or a query parameter is wrong.
    pub fn invalid(pointer: &str, code: &str, message: Text) -> Self {
        let mut faults = Faults::new();
        faults.add(pointer, code, message);
        faults.into()
    }

    /// Not there, or not the caller's: the two are never told apart.
    pub fn not_found() -> Self {
        Code::NotFound.because(text!("there-is-nothing-here-under-this-id"))
    }

    /// What happened, in words that may be kept and shown.
    pub fn text(&self) -> Text {
        match self {
            Self::Problem(problem) => problem.detail.clone(),
            Self::Internal(cause) => {
                tracing::error!(error = format!("{cause:#}"), "internal error");
                text!("something-went-wrong-on-our-side")
            }
        }
    }

    /// The code, if the caller can act on it.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Problem(problem) => Some(problem.code),
            Self::Internal(_) => None,
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Faults> for Error {
    fn from(faults: Faults) -> Self {
        let mut problem = Code::Invalid.problem(text!("some-fields-are-not-valid"));
        problem.errors = faults.into_vec();
        problem.into()
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        let problem = match given_up(&error) {
            Some(GivenUp::NoLock) => {
                Code::Busy.problem(text!("other-work-holds-what-this-request-needs"))
            }
            Some(GivenUp::TooLong) => {
                Code::TookTooLong.problem(text!("database-took-too-long-over-this"))
            }
            None => return Self::Internal(error.into()),
        };
        tracing::warn!(code = %problem.code, "the database gave a statement up");
        problem.retry_after(1).into()
    }
}

impl From<crate::crypto::CannotOpen> for Error {
    fn from(error: crate::crypto::CannotOpen) -> Self {
        Self::Internal(error.into())
    }
}

impl From<crate::domain::money::Overflow> for Error {
    fn from(_: crate::domain::money::Overflow) -> Self {
        Self::invalid(
            "",
            "amount_too_large",
            text!("amounts-are-too-large-to-add-up"),
        )
    }
}

/// Turns an absent row into a 404.
pub trait OrNotFound<T> {
    /// The value, or "not found".
    fn or_not_found(self) -> Result<T, Error>;
}

impl<T> OrNotFound<T> for Option<T> {
    fn or_not_found(self) -> Result<T, Error> {
        self.ok_or_else(Error::not_found)
    }
}
