//! Partners' clients: who may get tokens of this API without a log-in, and what for.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::overlap::overlap;
use crate::app::App;
use crate::db::client::{self, Client};
use crate::domain::ClientId;
use crate::domain::client::{AuthMethod, ClientName};
use crate::domain::permissions::Scope;
use crate::error::{Error, OrNotFound as _};
use crate::http::auth::Admin;
use crate::http::auth::scopes::ClientsWrite;
use crate::http::body::{Body, OptionalBody, Patch, merge_patch};
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::once::{Begun, Once, Ticket};
use crate::http::operation::{Registry, operations};
use crate::http::page::PageParams;
use crate::http::path::Id;
use crate::http::query::{Listing, NoFilter};
use crate::workflows::client::{self as clients, Terms};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        list_clients,
        create_client,
        get_client,
        update_client,
        delete_client,
        rotate_client_secret
    );
}

/// A partner's program, as it is sent.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClientIn)]
struct ClientIn {
    /// What people call the program, as the partner or what it does.
    #[schema(example = "会計連携", min_length = 1, max_length = 100)]
    name: String,
    /// What it may do: scopes that you hold yourself.
    #[schema(min_items = 1, example = json!(["orders:read", "events:read"]))]
    scopes: Vec<Scope>,
    /// How it shows who it is. It stays.
    #[serde(default = "by_secret")]
    auth_method: AuthMethod,
    /// The public keys of a client that signs (RFC 7517): RSA, P-256 or Ed25519.
    #[serde(default)]
    #[schema(value_type = Option<Object>, example = json!(null))]
    jwks: Option<Value>,
    /// Addresses and networks from which it may come; from anywhere where there are none.
    #[serde(default)]
    #[schema(max_items = 50, example = json!(["203.0.113.0/24"]))]
    allowed_ips: Vec<String>,
}

fn by_secret() -> AuthMethod {
    AuthMethod::ClientSecret
}

/// A partner's program.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Client)]
struct ClientOut {
    /// The id of the client, as it stands in its address.
    id: ClientId,
    /// What it calls itself when it asks for a token.
    #[schema(example = "kc_AZPV7nwfe2qg8y0sG05fAAGT1e58H3tqoPMtLBtOXwA")]
    client_id: String,
    #[serde(flatten)]
    client: ClientIn,
    /// Until when the secret before is good too, in UTC; `null` where none is.
    former_secret_until: Option<DateTime<Utc>>,
    /// When it last got a token, in UTC, to the minute.
    #[schema(example = "2026-11-24T01:23:45Z")]
    last_used_at: Option<DateTime<Utc>>,
    /// When it was created (作成日時), in UTC.
    #[schema(example = "2026-11-02T01:23:45Z")]
    created_at: DateTime<Utc>,
    /// When it was last changed (更新日時), in UTC.
    #[schema(example = "2026-11-02T01:23:45Z")]
    updated_at: DateTime<Utc>,
}

/// A client with its secret.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = ClientWithSecret)]
struct ClientWithSecretOut {
    #[serde(flatten)]
    client: ClientOut,
    /// Shown here and never again. A client that signs has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "kcs_2Q…")]
    client_secret: Option<String>,
}

/// A page of clients.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct ClientList {
    /// The clients of this page, newest first.
    data: Vec<ClientOut>,
    /// `cursor` of the next page; `null` on the last one.
    #[schema(example = "AZONXnwfe2qg8y0cW06fAA")]
    next_cursor: Option<String>,
    /// How many there are in all, on every page (全件数); told with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 3)]
    total: Option<i64>,
}

/// What becomes of the secret before.
#[derive(Debug, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
struct RotateIn {
    /// Minutes for which the secret before stays good. With 0 it and every token made with it are useless at once.
    #[schema(minimum = 0, maximum = 10080, default = 0, example = 60)]
    overlap_minutes: i64,
}

impl From<ClientIn> for Terms {
    fn from(client: ClientIn) -> Self {
        Self {
            name: client.name,
            scopes: client.scopes,
            auth_method: client.auth_method,
            jwks: client.jwks,
            allowed_ips: client.allowed_ips,
        }
    }
}

impl From<&Client> for ClientIn {
    fn from(client: &Client) -> Self {
        Self {
            name: client.name.clone(),
            scopes: client.scopes.clone(),
            auth_method: client.auth_method,
            jwks: client.jwks.clone(),
            allowed_ips: client.allowed_ips.clone(),
        }
    }
}

impl From<&Client> for ClientOut {
    fn from(client: &Client) -> Self {
        let name = ClientName {
            store: client.store_id,
            id: client.id,
        };
        Self {
            id: client.id,
            client_id: name.to_string(),
            client: client.into(),
            former_secret_until: client.former_until,
            last_used_at: client.last_used_at,
            created_at: client.created_at,
            updated_at: client.updated_at,
        }
    }
}

fn with_secret(client: &Client, secret: Option<&SecretString>) -> ClientWithSecretOut {
    ClientWithSecretOut {
        client: client.into(),
        client_secret: secret.map(|secret| secret.expose_secret().to_owned()),
    }
}

/// List clients, newest first (連携クライアント一覧)
#[utoipa::path(
    get,
    path = "/clients",
    tag = "clients",
    params(PageParams),
    responses((status = 200, description = "A page of clients", body = ClientList))
)]
async fn list_clients(
    admin: Admin<ClientsWrite>,
    query: Listing<NoFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (page, conn) = (query.page, app.db().await?);
    let after = page.after.map(ClientId);
    let mut rows = client::list(admin.store, after, page.probe(), &conn).await?;
    let next_cursor = page.cut(&mut rows, |row| row.id.0);
    let total = page.total(client::count(admin.store, &conn)).await?;
    Ok(HttpResponse::Ok().json(ClientList {
        data: rows.iter().map(ClientOut::from).collect(),
        next_cursor,
        total,
    }))
}

/// Create a client (連携クライアントの登録)
///
/// For a partner's program, which then gets tokens at `POST /v1/oauth/token`. Its secret is in this answer and nowhere
/// else.
#[utoipa::path(
    post,
    path = "/clients",
    tag = "clients",
    request_body = ClientIn,
    responses(
        (status = 201, description = "Created; the secret is shown once", body = ClientWithSecretOut),
        (status = 403, description = "`missing_scope`: nobody grants a scope that he lacks"),
        (status = 409, description = "`action_not_allowed`: the secret of the first try was replaced since, or is in use"),
    )
)]
async fn create_client(
    admin: Admin<ClientsWrite>,
    once: Once<Body<ClientIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let none = Ticket::none();
    let begun = once
        .begin(async |made| {
            clients::resume(&app, made, &admin.scopes(), &admin.unconditional(&none)).await
        })
        .await?;
    let (client, secret) = match begun {
        Begun::Resumed(made) => made,
        Begun::Fresh((ticket, Body(new))) => {
            let context = admin.unconditional(&ticket);
            clients::create(&app, new.into(), &admin.scopes(), &context).await?
        }
    };
    // Whoever repeats the request is shown the secret again: only if he may do what the client may.
    admin.require_all(&client.scopes)?;
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/v1/admin/clients/{}", client.id)))
        .versioned(client.version, with_secret(&client, secret.as_ref())))
}

/// Read a client (連携クライアント詳細)
#[utoipa::path(get, path = "/clients/{id}", tag = "clients", responses((status = 200, description = "The client", body = ClientOut)))]
async fn get_client(
    admin: Admin<ClientsWrite>,
    id: Id<ClientId>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let client = client::find(admin.store, id.0, &*app.db().await?)
        .await?
        .or_not_found()?;
    Ok(HttpResponse::Ok().versioned(client.version, ClientOut::from(&client)))
}

/// Change a client (連携クライアントの変更)
///
/// Scopes and addresses hold from the next request on, for tokens that were made before too. With other keys all of them
/// are useless.
#[utoipa::path(
    patch,
    path = "/clients/{id}",
    tag = "clients",
    request_body = ClientIn,
    responses(
        (status = 200, description = "Changed", body = ClientOut),
        (status = 403, description = "`missing_scope`: nobody grants a scope that he lacks"),
    )
)]
async fn update_client(
    admin: Admin<ClientsWrite>,
    id: Id<ClientId>,
    if_match: IfMatch,
    Patch(patch): Patch<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    let context = admin.context(&if_match, &ticket);
    let wanted =
        |before: &Client| merge_patch(&ClientIn::from(before), patch).map(|after| after.into());
    let client = clients::change(&app, id.0, &admin.scopes(), &context, wanted).await?;
    Ok(HttpResponse::Ok().versioned(client.version, ClientOut::from(&client)))
}

/// Remove a client (連携クライアントの削除)
///
/// Its tokens are refused from the next request on.
#[utoipa::path(delete, path = "/clients/{id}", tag = "clients", responses((status = 204, description = "Removed")))]
async fn delete_client(
    admin: Admin<ClientsWrite>,
    id: Id<ClientId>,
    if_match: IfMatch,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    clients::remove(&app, id.0, &admin.context(&if_match, &ticket)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Give a client another secret (シークレットの再発行)
///
/// With an overlap both are good for that time, so that a partner can change over without a gap. Without one, as after a
/// leak, the secret before and every token made with it are useless at once.
#[utoipa::path(
    post,
    path = "/clients/{id}/rotate-secret",
    tag = "clients",
    request_body = RotateIn,
    responses(
        (status = 200, description = "The secret, shown once", body = ClientWithSecretOut),
        (status = 403, description = "`missing_scope`: nobody makes a secret of a client that may do more than he"),
        (status = 409, description = "`action_not_allowed`: the client signs with a key; or the secret of the first try was replaced since, or is in use"),
    )
)]
async fn rotate_client_secret(
    admin: Admin<ClientsWrite>,
    id: Id<ClientId>,
    if_match: IfMatch,
    once: Once<OptionalBody<RotateIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let none = Ticket::none();
    let begun = once
        .begin(async |made| {
            clients::resume(&app, made, &admin.scopes(), &admin.unconditional(&none)).await
        })
        .await?;
    let (client, secret) = match begun {
        Begun::Resumed(made) => made,
        Begun::Fresh((ticket, OptionalBody(body))) => {
            let (good_for, context) = (
                overlap(body.overlap_minutes)?,
                admin.context(&if_match, &ticket),
            );
            let rotated =
                clients::rotate_secret(&app, id.0, good_for, &admin.scopes(), &context).await?;
            (rotated.0, Some(rotated.1))
        }
    };
    admin.require_all(&client.scopes)?;
    Ok(HttpResponse::Ok().versioned(client.version, with_secret(&client, secret.as_ref())))
}
