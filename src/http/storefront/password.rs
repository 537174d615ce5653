//! A new password for a member who forgot his.
//!
//! Kakeuri sends no mail: asking leaves an event, and whoever sends the shop's mail then gets the one-time token from
//! the admin API.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use diesel_async::AsyncConnection as _;
use serde_json::json;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::App;
use crate::db;
use crate::db::event::{self, Subject};
use crate::domain::events::EventType;
use crate::domain::{Faults, StoreId};
use crate::error::Error;
use crate::http::auth::Visitor;
use crate::http::body::Body;
use crate::http::idempotency::{Begun, Once};
use crate::http::limits::{Account, Limits, address};
use crate::passwords;

/// The routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(request_password_reset).service(set_password);
}

/// Whose password is to be set anew.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordResetIn {
    #[schema(example = "buyer@minato.example")]
    email: String,
}

/// Ask for a new password
///
/// The answer is the same whether there is such a member or not.
#[utoipa::path(
    tag = "password",
    request_body = PasswordResetIn,
    responses((status = 202, description = "Noted; the store sends a link if it knows the address"))
)]
#[post("/password-resets")]
async fn request_password_reset(
    visitor: Visitor,
    request: HttpRequest,
    body: Body<PasswordResetIn>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    let store = visitor.store.store_id;
    let account = Account::claimed(&store.to_string(), &body.0.email)?;
    if !limits.password_reset(store, &account, address(&request, &app.config)).await? {
        return Ok(HttpResponse::Accepted().finish());
    }
    // Looked up after the answer, so that its time tells nothing.
    app.spawn(|app| async move {
        if let Err(error) = note(&app, store, account.email()).await {
            tracing::error!(%error, "a request for a new password could not be noted");
        }
    });
    Ok(HttpResponse::Accepted().finish())
}

async fn note(app: &App, store: StoreId, email: &str) -> Result<(), Error> {
    let mut conn = app.db().await?;
    let Some((member, _, _)) = db::password::of_member(store, email, &conn).await? else {
        return Ok(());
    };
    let (kind, subject, now) = (EventType::PasswordResetRequested, Subject::Member(member), app.clock.now());
    conn.transaction(async |conn| {
        db::password::note_reset(store, member, now, conn).await?;
        Ok(event::append(store, kind, subject, "visitor", json!({}), now, conn).await?)
    })
    .await
}

/// A one-time token and the new password.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordIn {
    /// From the link that the store sent.
    token: String,
    #[schema(min_length = 8, max_length = 200, example = "correct horse battery")]
    password: String,
}

/// Set a password
///
/// Uses the token up and ends every session of the member.
#[utoipa::path(
    tag = "password",
    request_body = PasswordIn,
    responses((status = 204, description = "The password is set"))
)]
#[post("/password")]
async fn set_password(
    visitor: Visitor,
    request: HttpRequest,
    once: Once<Body<PasswordIn>>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    limits.new_password(visitor.store.store_id, address(&request, &app.config)).await?;
    let (ticket, Body(PasswordIn { token, password })) = match once.begin(async |_| Ok(Some(()))).await? {
        Begun::Resumed(()) => return Ok(HttpResponse::NoContent().finish()),
        Begun::Fresh(fresh) => fresh,
    };
    let mut faults = Faults::new();
    passwords::check_rules(&password, "/password", &mut faults);
    faults.into_result()?;
    let bad_token = || Error::invalid("/token", "bad_token", "The token is not valid, was used, or has expired.");
    let (id, secret_hash) = passwords::read_token(&token).ok_or_else(bad_token)?;
    let hash = passwords::hash(password).await?;
    let (store, now) = (visitor.store.store_id, app.clock.now());
    app.db()
        .await?
        .transaction(async |conn| {
            let redeemed = db::password_token::redeem(store, id, &secret_hash, now, conn).await?;
            let (member, made_by) = redeemed.ok_or_else(bad_token)?;
            ticket.record(member.0, conn).await?;
            db::password::set(store, member, &hash, now, conn).await?;
            db::session::end_all_of(store, &[member], None, now, conn).await?;
            let (kind, actor) = (EventType::PasswordChanged, format!("member:{member}"));
            let data = json!({ "token_made_by": made_by });
            event::append(store, kind, Subject::Member(member), &actor, data, now, conn).await?;
            Ok::<_, Error>(())
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
