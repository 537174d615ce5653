//! Every word and code the API uses, with its label in Japanese and in English, for a user interface.

use actix_web::HttpResponse;
use actix_web::dev::HttpServiceFactory;
use utoipa_actix_web::OpenApiFactory;

use crate::csv::{CsvEncoding, CsvLanguage};
use crate::domain::application::{ApplicationStatus, BuyerState, Pattern, ToPaid, WayIn};
use crate::domain::events::EventType;
use crate::domain::issuer::{IssuerSubjects, MatchTo};
use crate::domain::job::{ItemOutcome, JobKind, JobState};
use crate::domain::member::{MemberAction, MemberStatus, PaymentMethod};
use crate::domain::operation::{OperationKind, OperationState};
use crate::domain::payment::{HandlingStatus, PaymentAction, PaymentFlag, PaymentStatus};
use crate::domain::permissions::{Role, Scope};
use crate::domain::reconciliation::{Cause, Resolution};
use crate::domain::store::{Environment, Health, MemberApproval, TaxRounding};
use crate::domain::user::UserStatus;
use crate::domain::webhook::{DeliveryFailure, DeliveryState, DisabledReason, WebhookStatus};
use crate::error::Code;
use crate::http::auth::Stranger;
use crate::http::operation::Operation;
use crate::paid::{codes, meaning};
use crate::tokens::Audience;

/// A word with its labels.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct Word {
    /// As it stands in JSON.
    #[schema(example = "unconfirmed")]
    pub value: String,
    /// In Japanese.
    #[schema(example = "未確定")]
    pub ja: String,
    /// In English.
    #[schema(example = "unconfirmed")]
    pub en: String,
}

/// Every word and code.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct Vocabulary {
    /// The values of each enumeration, by its name in the API's documents.
    pub enums: std::collections::BTreeMap<&'static str, Vec<Word>>,
    /// The `code` of problems.
    pub codes: Vec<Word>,
    /// Paid's codes, as far as their meaning is known.
    pub paid_codes: Vec<Word>,
}

/// One enumeration: its name in the documents, its values.
pub type Enumeration = (
    &'static str,
    Vec<(&'static str, &'static str, &'static str)>,
);

macro_rules! enumerations {
    ($($name:ident),+ $(,)?) => {
        vec![$((stringify!($name), $name::ALL.iter().map(|value| {
            let (ja, en) = value.label();
            (value.as_str(), ja, en)
        }).collect())),+]
    };
}

/// Every enumeration of the API.
pub fn enumerations() -> Vec<Enumeration> {
    enumerations![
        ApplicationStatus,
        Audience,
        BuyerState,
        Cause,
        CsvEncoding,
        CsvLanguage,
        DeliveryFailure,
        DeliveryState,
        DisabledReason,
        Environment,
        EventType,
        HandlingStatus,
        Health,
        ItemOutcome,
        JobKind,
        JobState,
        MemberAction,
        MemberApproval,
        MemberStatus,
        OperationKind,
        OperationState,
        Pattern,
        PaymentAction,
        PaymentFlag,
        PaymentMethod,
        PaymentStatus,
        Resolution,
        Role,
        Scope,
        TaxRounding,
        ToPaid,
        UserStatus,
        WayIn,
        WebhookStatus,
        IssuerSubjects,
        MatchTo,
    ]
}

/// The call for all words, to be registered.
pub fn operation() -> impl HttpServiceFactory + OpenApiFactory {
    Operation::new(__path_get_vocabulary, get_vocabulary)
}

/// Every word and code with its label in Japanese and in English
#[utoipa::path(
    get,
    path = "/v1/vocabulary",
    tag = "vocabulary",
    responses((status = 200, description = "The vocabulary", body = Vocabulary))
)]
async fn get_vocabulary(_: Stranger) -> HttpResponse {
    let word = |(value, ja, en): (&str, &str, &str)| Word {
        value: value.into(),
        ja: ja.into(),
        en: en.into(),
    };
    let enums = enumerations()
        .into_iter()
        .map(|(name, values)| (name, values.into_iter().map(word).collect()))
        .collect();
    let code = |code: &Code| word((code.as_str(), code.label().0, code.label().1));
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "public, max-age=300"))
        .json(Vocabulary {
            enums,
            codes: Code::ALL.iter().map(code).collect(),
            paid_codes: paid_codes(),
        })
}

fn paid_codes() -> Vec<Word> {
    let letters = ["A", "B", "C", "D", "E", "M"];
    let numbered = letters
        .iter()
        .flat_map(|letter| (0..100).map(move |number| format!("{letter}{number:02}")));
    let all = numbered.chain([codes::NOT_FOUND.to_owned()]);
    all.filter_map(|value| meaning::of(&value).map(|(ja, en)| Word { value, ja, en }))
        .collect()
}
