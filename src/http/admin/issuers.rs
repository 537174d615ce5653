//! Identity from outside: issuers whose tokens the store takes.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::app::App;
use crate::db::issuer::{self, Issuer};
use crate::domain::IssuerId;
use crate::domain::issuer::{IssuerSubjects, MatchTo};
use crate::domain::permissions::Scope;
use crate::error::{Error, OrNotFound as _};
use crate::http::auth::Admin;
use crate::http::auth::scopes::{SettingsRead, SettingsWrite};
use crate::http::body::{Body, Patch, merge_patch};
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::once::{Begun, Once, Ticket};
use crate::http::operation::{Registry, operations};
use crate::http::path::Id;
use crate::workflows::issuer::{self as issuers, Terms};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        list_issuers,
        create_issuer,
        get_issuer,
        update_issuer,
        delete_issuer
    );
}

/// Who it is.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Match {
    /// The claim that says it.
    #[schema(example = "email", min_length = 1, max_length = 100)]
    claim: String,
    /// What it is compared with. An e-mail address counts only where the token says `email_verified`.
    to: MatchTo,
}

/// A provider of identities, as it is sent.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IssuerIn)]
struct IssuerIn {
    /// As its tokens name it (`iss`), to the letter.
    #[schema(example = "https://login.minato.example")]
    issuer: String,
    /// Where its public keys are (RFC 7517). Without it the issuer's `/.well-known/openid-configuration` tells.
    #[serde(default)]
    #[schema(example = json!(null))]
    jwks_uri: Option<String>,
    /// For whom its tokens are (`aud`): one of your own, which no other store's tokens have.
    #[schema(
        example = "https://minato.example/kakeuri",
        min_length = 1,
        max_length = 200
    )]
    audience: String,
    /// Whom it speaks of: of members at the storefront API, of users at the admin API.
    subjects: IssuerSubjects,
    /// How one of its tokens names a member or a user of the store.
    r#match: Match,
    /// What users may do with such a token at most: scopes that you hold yourself. Beyond that, their role says. None for members.
    #[serde(default)]
    #[schema(example = json!(["orders:read", "members:read"]))]
    max_scopes: Vec<Scope>,
}

/// A provider of identities.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Issuer)]
struct IssuerOut {
    /// The id of the issuer, as it stands in its address.
    id: IssuerId,
    #[serde(flatten)]
    issuer: IssuerIn,
    /// When its public keys were last read, in UTC. They are read again when a token names a key that is not known.
    #[schema(example = "2026-11-24T01:23:45Z")]
    keys_read_at: Option<DateTime<Utc>>,
    /// Why they could not be when that was last tried; those from before are good all the same.
    #[schema(example = json!(null))]
    keys_failure: Option<String>,
    /// When it was created (作成日時), in UTC.
    #[schema(example = "2026-11-02T01:23:45Z")]
    created_at: DateTime<Utc>,
    /// When it was last changed (更新日時), in UTC.
    #[schema(example = "2026-11-02T01:23:45Z")]
    updated_at: DateTime<Utc>,
}

/// The issuers, newest first.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct IssuerList {
    /// All issuers of the store, newest first.
    data: Vec<IssuerOut>,
}

impl From<IssuerIn> for Terms {
    fn from(issuer: IssuerIn) -> Self {
        Self {
            issuer: issuer.issuer,
            jwks_uri: issuer.jwks_uri,
            audience: issuer.audience,
            subjects: issuer.subjects,
            match_claim: issuer.r#match.claim,
            match_to: issuer.r#match.to,
            max_scopes: issuer.max_scopes,
        }
    }
}

impl From<&Issuer> for IssuerIn {
    fn from(issuer: &Issuer) -> Self {
        Self {
            issuer: issuer.issuer.clone(),
            jwks_uri: issuer.jwks_uri.clone(),
            audience: issuer.audience.clone(),
            subjects: issuer.subjects,
            r#match: Match {
                claim: issuer.match_claim.clone(),
                to: issuer.match_to,
            },
            max_scopes: issuer.max_scopes.clone(),
        }
    }
}

impl From<&Issuer> for IssuerOut {
    fn from(issuer: &Issuer) -> Self {
        Self {
            id: issuer.id,
            issuer: issuer.into(),
            keys_read_at: issuer.keys_read_at,
            keys_failure: issuer.keys_failure.clone(),
            created_at: issuer.created_at,
            updated_at: issuer.updated_at,
        }
    }
}

/// List issuers, newest first
#[utoipa::path(get, path = "/issuers", tag = "settings", responses((status = 200, description = "The issuers", body = IssuerList)))]
async fn list_issuers(admin: Admin<SettingsRead>, app: Data<App>) -> Result<HttpResponse, Error> {
    let rows = issuer::list(admin.store, &*app.db().await?).await?;
    let data = rows.iter().map(IssuerOut::from).collect();
    Ok(HttpResponse::Ok().json(IssuerList { data }))
}

/// Take the tokens of an issuer
///
/// A caller then sends a token of the issuer in the place of one of ours. It is believed if a public key of the issuer has signed it
/// (RS256, PS256, ES256 or EdDSA) and it names the issuer, the audience and its end.
#[utoipa::path(
    post,
    path = "/issuers",
    tag = "settings",
    request_body = IssuerIn,
    responses(
        (status = 201, description = "Taken on", body = IssuerOut),
        (status = 403, description = "`missing_scope`: nobody lets others do what he may not; for members it takes `members:impersonate`; `step_up_required`"),
        (status = 409, description = "`action_not_allowed`: there are ten already, or tokens of this issuer for this audience are taken already"),
    )
)]
async fn create_issuer(
    admin: Admin<SettingsWrite>,
    once: Once<Body<IssuerIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let none = Ticket::none();
    let resume = async |made| issuers::resume(&app, made, &admin.unconditional(&none)).await;
    let issuer = match once.begin(resume).await? {
        Begun::Resumed(made) => made,
        Begun::Fresh((ticket, Body(new))) => {
            let context = admin.unconditional(&ticket);
            issuers::create(&app, new.into(), &admin.scopes(), &context).await?
        }
    };
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/v1/admin/issuers/{}", issuer.id)))
        .versioned(issuer.version, IssuerOut::from(&issuer)))
}

/// Read an issuer
#[utoipa::path(get, path = "/issuers/{id}", tag = "settings", responses((status = 200, description = "The issuer", body = IssuerOut)))]
async fn get_issuer(
    admin: Admin<SettingsRead>,
    id: Id<IssuerId>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let found = issuer::find(admin.store, id.0, &*app.db().await?).await?;
    let issuer = found.or_not_found()?;
    Ok(HttpResponse::Ok().versioned(issuer.version, IssuerOut::from(&issuer)))
}

/// Change an issuer
///
/// It holds from the next request on. With another address the keys that were read before are forgotten.
#[utoipa::path(
    patch,
    path = "/issuers/{id}",
    tag = "settings",
    request_body = IssuerIn,
    responses(
        (status = 200, description = "Changed", body = IssuerOut),
        (status = 403, description = "`missing_scope`: nobody lets others do what he may not; `step_up_required`"),
        (status = 409, description = "`action_not_allowed`: tokens of this issuer for this audience are taken already"),
    )
)]
async fn update_issuer(
    admin: Admin<SettingsWrite>,
    id: Id<IssuerId>,
    if_match: IfMatch,
    Patch(patch): Patch<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    let context = admin.context(&if_match, &ticket);
    let wanted =
        |before: &Issuer| merge_patch(&IssuerIn::from(before), patch).map(|after| after.into());
    let issuer = issuers::change(&app, id.0, &admin.scopes(), &context, wanted).await?;
    Ok(HttpResponse::Ok().versioned(issuer.version, IssuerOut::from(&issuer)))
}

/// Remove an issuer
///
/// Its tokens are refused from the next request on.
#[utoipa::path(delete, path = "/issuers/{id}", tag = "settings", responses((status = 204, description = "Removed")))]
async fn delete_issuer(
    admin: Admin<SettingsWrite>,
    id: Id<IssuerId>,
    if_match: IfMatch,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    issuers::remove(&app, id.0, &admin.context(&if_match, &ticket)).await?;
    Ok(HttpResponse::NoContent().finish())
}
