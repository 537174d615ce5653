//! Registration of a member.

use crate::http::operation::Registry;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::me::MeOut;
use crate::app::App;
use crate::db::member::Member;
use crate::domain::Faults;
use crate::domain::member::Profile;
use crate::error::Error;
use crate::http::auth::Visitor;
use crate::http::body::Body;
use crate::http::etag::Versioned as _;
use crate::http::limits::{Limits, address};
use crate::http::once::{Begun, Once};
use crate::http::operation::operations;
use crate::http::patch::{Rules, split_body, two_halves};
use crate::passwords;
use crate::workflows::member::{self, Registration};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, register_member);
}

/// What a registration has beside the profile.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct OwnIn {
    /// パスワード: what the member logs in with, 8 to 200 characters.
    #[schema(value_type = String, example = "correct horse battery", write_only)]
    password: SecretString,
    /// Paid申請: wishes to pay on account (掛け払い) through Paid; then Paid's fields are needed too.
    #[serde(default)]
    wants_paid: bool,
}

impl Rules for OwnIn {
    fn check(&self, faults: &mut Faults) {
        passwords::check_rules(self.password.expose_secret(), "/password", faults);
    }
}

two_halves! {
    /// A member as it registers. Only the company's name, the contact's names, `email` and `phone` are needed.
    #[schema(as = RegistrationIn, example = json!({
        "company_name": "株式会社みなと商会", "contact": { "family_name": "佐藤", "given_name": "健一" },
        "email": "buyer@minato.example", "phone": "045-000-1234", "password": "correct horse battery", "wants_paid": false
    }))]
    RegistrationIn: Profile, OwnIn
}

/// Register as a member (会員登録)
///
/// With `wants_paid` the profile must have all that Paid asks for. Where the store approves automatically the
/// application goes to Paid at once; whatever Paid says, the registration stands.
#[utoipa::path(
    post,
    path = "/members",
    tag = "members",
    request_body = RegistrationIn,
    responses(
        (status = 201, description = "Registered; log in with e-mail and password", body = MeOut),
        (status = 409, description = "`email_taken`; `paid_disabled`: the store does not offer Paid"),
    )
)]
async fn register_member(
    visitor: Visitor,
    request: HttpRequest,
    once: Once<Body<Value>>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    limits
        .registration(visitor.store.store_id, address(&request, &app.config))
        .await?;
    let resume = async |made| member::resume(&app, visitor.store.store_id, made).await;
    let (ticket, Body(body)) = match once.begin(resume).await? {
        Begun::Resumed(member) => return Ok(registered(member)),
        Begun::Fresh(fresh) => fresh,
    };
    let (profile, own) = split_body::<Profile, OwnIn>(body, &["password", "wants_paid"])?;
    let new = Registration {
        profile,
        password: own.password,
        wants_paid: own.wants_paid,
    };
    Ok(registered(
        member::register(&app, &visitor.store, new, &ticket).await?,
    ))
}

fn registered(member: Member) -> HttpResponse {
    let location = (LOCATION, "/v1/storefront/me");
    HttpResponse::Created()
        .insert_header(location)
        .versioned(member.version, MeOut::from(member))
}
