//! Problems (RFC 9457): how an [`Error`] becomes an answer. The only place that knows statuses.
//!
//! Two forms, one per API: what only an admin may see has no field in the storefront's form, so that it cannot slip
//! through.

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LANGUAGE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};

use super::asked::Asked;
use crate::domain::application::ApplicationStatus;
use crate::domain::{Fault, Reason};
use crate::error::{Code, Error, Problem};
use crate::texts::{self, Language, Text};

/// The media type of every error answer.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Something went wrong (RFC 9457).
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct StorefrontProblem {
    #[serde(flatten)]
    common: ProblemBase,
    /// Every field that is wrong, at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldFault>,
}

/// Something went wrong, as the admin API says it (RFC 9457).
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct AdminProblem {
    #[serde(flatten)]
    common: ProblemBase,
    /// Every field that is wrong, at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// Paid's error codes (エラーコード).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["B16"]))]
    paid_codes: Vec<String>,
    /// Paid申請: the status of the application of the member, where it explains the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    application_status: Option<ApplicationStatus>,
}

/// What every problem says.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct ProblemBase {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(example = "/docs/problems#invalid")]
    kind: String,
    /// What the code means, in the language asked for.
    #[schema(example = "入力内容に誤りがあります")]
    title: &'static str,
    /// The HTTP status again.
    #[schema(example = 422)]
    status: u16,
    /// What happened and what to do, as a sentence for people in the language asked for.
    #[serde(serialize_with = "texts::for_the_reader")]
    #[schema(value_type = String, example = "入力内容に誤りがあります。errorsをご確認ください。")]
    detail: Text,
    /// What went wrong, as a stable word for programs.
    code: Code,
    /// Names the request in the service's log. Tell it when you ask for help.
    #[schema(example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00")]
    request_id: String,
    /// Names the trace that the request is in, where the service sends traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: Option<String>,
    /// Why not, where several reasons may hold at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Reason>,
}

/// One fault of one field, without what Paid said of it.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct FieldFault {
    /// Where: the JSON pointer of the field, or the name of a query parameter.
    #[schema(example = "/lines/0/quantity")]
    pointer: String,
    /// What is wrong, as a stable word for programs.
    #[schema(example = "out_of_range")]
    code: String,
    /// What is wrong, as a sentence for people in the language asked for.
    #[serde(serialize_with = "texts::for_the_reader")]
    #[schema(value_type = String, example = "数量は1以上で入力してください。")]
    message: Text,
}

/// The status of a code.
pub fn status(code: Code) -> StatusCode {
    use Code::*;
    let status = match code {
        Malformed | IdempotencyKeyMissing => 400,
        TokenMissing | TokenInvalid | TokenExpired | InvalidRefreshToken | LoginFailed
        | SecondFactorRequired | SecondFactorInvalid => 401,
        CreditDeclined => 402,
        WrongAudience | MissingScope | AddressNotAllowed | MemberNotActive | StepUpRequired
        | SecondFactorNotSetUp => 403,
        NotFound => 404,
        MethodNotAllowed => 405,
        BodyTooSlow => 408,
        EmailTaken | NumberTaken | ExternalIdTaken => 409,
        ApplicationStatusOwnedByPaid | ApplicationNotPending => 409,
        ApplicationOperationInProgress | PaidEmailTaken | PaidNumberTaken | CustomerNumberSet => {
            409
        }
        PasswordResetNotRequested
        | PaidNotTicked
        | PaidDisabled
        | BannerDisabled
        | OpenPayments
        | MemberHasOpenWork
        | MemberStatusForbids => 409,
        PaidNotAvailable | PaymentMethodNotAvailable | PriceChanged | PaymentNotUnconfirmed => 409,
        AmountMismatch
        | CountMismatch
        | PaymentOperationInProgress
        | MissingAtPaid
        | RefusedByPaid => 409,
        OrderStateForbids | ActionNotAllowed | LastOwner | RequestInProgress => 409,
        Stale => 412,
        BodyTooLarge => 413,
        UnsupportedMediaType => 415,
        ApplicationRefused | Invalid | IdempotencyKeyReused | LiveNotConfigured | ZeroTotal => 422,
        RateLimited => 429,
        Internal => 500,
        NotSupportedByProvider => 501,
        ProviderAuthFailed | ProviderRejectedRequest => 502,
        ProviderUnavailable | Busy | TookTooLong | Unavailable => 503,
    };
    StatusCode::from_u16(status).expect("the statuses above exist")
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        status(self.code().unwrap_or(Code::Internal))
    }

    /// Without a body: [`render`] writes it, knowing the request.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// The body of an answer whose handler failed; other answers stay as they are.
pub fn render(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let Some(error) = response.response().error() else {
        return response;
    };
    let problem = match error.as_error::<Error>() {
        Some(Error::Problem(problem)) => (**problem).clone(),
        Some(Error::Internal(cause)) => internal(cause),
        None => foreign(error, response.status()),
    };
    let rendered = answer(problem, &Asked::by(response.request()));
    response.into_response(rendered)
}

/// What the caller is told of a failure; a fault of ours is logged here.
pub(super) fn problem(error: Error) -> Problem {
    match error {
        Error::Problem(problem) => *problem,
        Error::Internal(cause) => internal(&cause),
    }
}

pub(super) fn internal(cause: &anyhow::Error) -> Problem {
    tracing::error!(error = format!("{cause:#}"), "internal error");
    Code::Internal.problem(text!("something-went-wrong-on-our-side"))
}

/// What actix itself refused.
pub(super) fn foreign(error: &actix_web::Error, status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Code::NotFound.problem(text!("there-is-nothing-at-this-address")),
        StatusCode::METHOD_NOT_ALLOWED => {
            Code::MethodNotAllowed.problem(text!("this-address-does-not-take-this-method"))
        }
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge.problem(text!("body-is-too-large")),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Code::UnsupportedMediaType.problem(text!("send-application-json"))
        }
        status if status.is_client_error() => {
            Code::Malformed.problem(text!("request-cannot-be-read"))
        }
        _ => internal(&anyhow::anyhow!("{error}")),
    }
}

/// A problem as an answer to a request, in the language of the request.
pub fn answer(problem: Problem, asked: &Asked) -> HttpResponse {
    texts::reading_now(asked.language, || written(problem, asked))
}

fn written(problem: Problem, asked: &Asked) -> HttpResponse {
    let code = problem.code;
    let mut response = HttpResponse::build(status(code));
    if let Some(seconds) = problem.retry_after {
        response.insert_header((RETRY_AFTER, seconds));
    }
    if let Some(limit) = problem.rate_limit {
        response.insert_header(("RateLimit-Limit", limit));
        response.insert_header(("RateLimit-Remaining", 0));
        response.insert_header(("RateLimit-Reset", problem.retry_after.unwrap_or(60)));
    }
    if let Some(challenge) = challenge(code) {
        response.insert_header((WWW_AUTHENTICATE, challenge));
    }
    // What else is on its way is not worth waiting for.
    if matches!(code, Code::BodyTooLarge | Code::BodyTooSlow) {
        response.force_close();
    }
    let common = common(&problem, asked);
    response.content_type(PROBLEM_JSON);
    response.insert_header((CONTENT_LANGUAGE, asked.language.tag()));
    // Everything outside the admin API gets the form for everybody.
    if asked.admin {
        let Problem {
            errors,
            paid_codes,
            application_status,
            ..
        } = problem;
        return response.json(AdminProblem {
            common,
            errors,
            paid_codes,
            application_status,
        });
    }
    let shown = |Fault {
                     pointer,
                     code,
                     message,
                     ..
                 }| FieldFault {
        pointer,
        code,
        message,
    };
    response.json(StorefrontProblem {
        common,
        errors: problem.errors.into_iter().map(shown).collect(),
    })
}

fn common(problem: &Problem, asked: &Asked) -> ProblemBase {
    let (japanese, english) = problem.code.label();
    ProblemBase {
        kind: format!("/docs/problems#{}", problem.code),
        title: match asked.language {
            Language::English => english,
            Language::Japanese => japanese,
        },
        status: status(problem.code).as_u16(),
        detail: problem.detail.clone(),
        code: problem.code,
        request_id: asked.request_id.to_string(),
        trace_id: asked.trace_id.as_deref().map(str::to_owned),
        reasons: problem.reasons.clone(),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "few codes are about who calls"
)]
fn challenge(code: Code) -> Option<HeaderValue> {
    match code {
        Code::TokenMissing => Some(HeaderValue::from_static("Bearer realm=\"kakeuri\"")),
        Code::TokenInvalid | Code::TokenExpired => Some(HeaderValue::from_static(
            "Bearer realm=\"kakeuri\", error=\"invalid_token\"",
        )),
        Code::LoginFailed | Code::SecondFactorRequired | Code::SecondFactorInvalid => {
            Some(HeaderValue::from_static("Bearer realm=\"kakeuri\""))
        }
        Code::MissingScope => Some(HeaderValue::from_static(
            "Bearer realm=\"kakeuri\", error=\"insufficient_scope\"",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn body(path: &str, problem: Problem) -> serde_json::Value {
        let request = TestRequest::with_uri(path).to_http_request();
        let response = answer(problem, &Asked::by(&request));
        let bytes = actix_web::body::to_bytes(response.into_body());
        let bytes = futures_util::FutureExt::now_or_never(bytes)
            .unwrap()
            .unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn the_storefront_never_learns_what_paid_said() {
        let mut problem = Code::CreditDeclined.problem(Text::words("No."));
        problem.paid_codes = vec!["B16".into()];
        problem.application_status = Some(ApplicationStatus::ApprovedActive);
        problem.errors = vec![Fault {
            paid_code: Some("M01".into()),
            ..Fault::new("/email", "invalid", Text::words("No."))
        }];
        let admin = body("/v1/admin/orders", problem.clone()).to_string();
        for path in ["/v1/storefront/orders", "/v1/vocabulary", "/v1/nowhere"] {
            let shown = body(path, problem.clone()).to_string();
            for secret in [
                "paid_code",
                "B16",
                "M01",
                "application_status",
                "approved_active",
            ] {
                assert!(!shown.contains(secret), "{path}: {shown}");
                assert!(admin.contains(secret), "{admin}");
            }
        }
    }
}
