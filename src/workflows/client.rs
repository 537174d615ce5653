//! Partners' clients: what they may be, and each change with its line in the log.
//!
//! Nobody grants a scope that he lacks: neither by naming it, nor by making a secret or setting a key of a client that
//! has it.

use chrono::TimeDelta;
use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use super::context::{Context, may_grant};
use crate::app::App;
use crate::crypto::{hash_secret, random_secret};
use crate::db::client::{self, Client};
use crate::db::event::{NewEvent, Subject};
use crate::db::webhook;
use crate::domain::client::{AuthMethod, are_within, network};
use crate::domain::events::EventType;
use crate::domain::permissions::Scope;
use crate::domain::{ClientId, Faults};
use crate::error::{Code, Error, OrNotFound as _};
use crate::public_keys::{self, PublicKeys};
use crate::tokens::Holder;

/// The most addresses and networks from which a client may come.
pub const MOST_NETWORKS: usize = 50;

/// What the store says of a client.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// How it shows who it is. It stays.
    pub auth_method: AuthMethod,
    /// Its public keys, if it signs.
    pub jwks: Option<Value>,
    /// Addresses and networks from which it may come; any where there are none.
    pub allowed_ips: Vec<String>,
}

impl Terms {
    /// In one form, if nothing is wrong with them.
    fn checked(self) -> Result<Self, Error> {
        let mut faults = Faults::new();
        let name = self.name.trim().to_owned();
        let named = (1..=100).contains(&name.chars().count());
        faults.check(
            named,
            "/name",
            "out_of_range",
            text!("from-1-to-100-characters"),
        );
        faults.check(
            !self.scopes.is_empty(),
            "/scopes",
            "required",
            text!("client-may-do-something"),
        );
        let mut jwks = None;
        match (self.auth_method, &self.jwks) {
            (AuthMethod::ClientSecret, None) => {}
            (AuthMethod::PrivateKeyJwt, Some(set)) => {
                drop(PublicKeys::read(set, "/jwks", &mut faults));
                jwks = Some(public_keys::tidy(set));
            }
            (AuthMethod::ClientSecret, Some(_)) => faults.add(
                "/jwks",
                "not_allowed",
                text!("keys-are-for-a-client-with-the-auth"),
            ),
            (AuthMethod::PrivateKeyJwt, None) => {
                faults.add("/jwks", "required", text!("give-the-client-public-keys"));
            }
        }
        faults.check(
            self.allowed_ips.len() <= MOST_NETWORKS,
            "/allowed_ips",
            "out_of_range",
            text!("at-most-50-addresses-and-networks"),
        );
        let mut allowed_ips = Vec::new();
        for (index, text) in self.allowed_ips.iter().enumerate().take(MOST_NETWORKS) {
            match network(text.trim()) {
                Some(network) => allowed_ips.push(network.to_string()),
                None => faults.add(
                    format!("/allowed_ips/{index}"),
                    "invalid",
                    text!("address-or-a-network"),
                ),
            }
        }
        faults.into_result()?;
        let mut scopes = self.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        Ok(Self {
            name,
            scopes,
            jwks,
            allowed_ips,
            ..self
        })
    }
}

/// A secret, which whoever finds it by accident can tell for one.
fn new_secret() -> SecretString {
    format!("kcs_{}", random_secret().expose_secret()).into()
}

/// Adds a client. The secret, if it has one, is to be had only here. `held`: the scopes of whoever asks for it.
///
/// # Errors
/// 422, or 403 `missing_scope`.
pub async fn create(
    app: &App,
    terms: Terms,
    held: &[Scope],
    context: &Context<'_>,
) -> Result<(Client, Option<SecretString>), Error> {
    let (terms, now) = (terms.checked()?, app.clock.now());
    may_grant(&terms.scopes, held)?;
    let secret = (terms.auth_method == AuthMethod::ClientSecret).then(new_secret);
    let client = Client {
        store_id: context.store,
        id: ClientId::new(),
        name: terms.name,
        auth_method: terms.auth_method,
        scopes: terms.scopes,
        secret_hash: secret.as_ref().map(hash_of),
        secret_id: Uuid::new_v4(),
        secret_used_at: None,
        former_hash: None,
        former_until: None,
        jwks: terms.jwks,
        allowed_ips: terms.allowed_ips,
        generation: Uuid::new_v4(),
        last_used_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        check_addresses(context, &client.allowed_ips, conn).await?;
        client::insert(&client, conn).await?;
        context.ticket.record(client.secret_id, conn).await?;
        let event = event(EventType::ClientCreated, &client, shown(&client));
        Ok::<_, Error>(context.log(&[event], now, conn).await?)
    })
    .await?;
    Ok((client, secret))
}

/// A client that comes from certain addresses only lets no client come from others, itself neither: whoever got hold of it would
/// take it elsewhere.
async fn check_addresses(
    context: &Context<'_>,
    addresses: &[String],
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let Ok(Holder::Client(maker)) = context.actor.parse() else {
        return Ok(());
    };
    let maker = client::find(context.store, maker, conn).await?;
    let own = maker
        .ok_or_else(|| Code::MissingScope.because(text!("client-was-removed")))?
        .allowed_ips;
    if are_within(addresses, &own) {
        return Ok(());
    }
    let message = text!("client-that-may-come-from-certain");
    Err(Code::AddressNotAllowed.because(message))
}

fn hash_of(secret: &SecretString) -> Vec<u8> {
    hash_secret(secret.expose_secret())
}

/// The client to which an earlier try of the same request has given a secret. Nobody has seen the secret of a try that
/// broke off, so it gets another in its place.
///
/// # Errors
/// 403 `missing_scope`; 409 `action_not_allowed` where that secret was replaced since, or is in use.
pub async fn resume(
    app: &App,
    made: Uuid,
    held: &[Scope],
    context: &Context<'_>,
) -> Result<Option<(Client, Option<SecretString>)>, Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let found = client::lock_by_secret(context.store, made, conn).await?;
        let mut client = found.ok_or_else(overtaken)?;
        may_grant(&client.scopes, held)?;
        if client.auth_method == AuthMethod::PrivateKeyJwt {
            return Ok(Some((client, None)));
        }
        if client.secret_used_at.is_some() {
            return Err(overtaken());
        }
        let secret = new_secret();
        client.secret_hash = Some(hash_of(&secret));
        rotated(app, &mut client, context, conn).await?;
        Ok(Some((client, Some(secret))))
    })
    .await
}

fn overtaken() -> Error {
    Code::ActionNotAllowed.because(text!("first-secret-of-the-client-was-replaced"))
}

/// Changes a client. `held`: the scopes of whoever changes it.
///
/// # Errors
/// 422, 403 `missing_scope`, 412 `stale`.
pub async fn change(
    app: &App,
    id: ClientId,
    held: &[Scope],
    context: &Context<'_>,
    edit: impl FnOnce(&Client) -> Result<Terms, Error> + Send,
) -> Result<Client, Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut client = client::lock(context.store, id, conn)
            .await?
            .or_not_found()?;
        context.check_version(client.version)?;
        let terms = edit(&client)?;
        if terms.auth_method != client.auth_method {
            return Err(Error::invalid(
                "/auth_method",
                "not_allowed",
                text!("how-a-client-shows-who-it-is-stays"),
            ));
        }
        let terms = terms.checked()?;
        // What it may do before and after: who narrows it, changes its key and waits has made himself more otherwise.
        may_grant(&client.scopes, held)?;
        may_grant(&terms.scopes, held)?;
        check_addresses(context, &terms.allowed_ips, conn).await?;
        let keys_changed = terms.jwks != client.jwks;
        if keys_changed {
            // Whoever has a key that is none any more has no token either.
            client.generation = Uuid::new_v4();
        }
        client.name = terms.name;
        client.scopes = terms.scopes;
        client.jwks = terms.jwks;
        client.allowed_ips = terms.allowed_ips;
        client::save(&mut client, app.clock.now(), conn).await?;
        let mut data = shown(&client);
        data["keys_changed"] = keys_changed.into();
        let event = event(EventType::ClientChanged, &client, data);
        context.log(&[event], client.updated_at, conn).await?;
        Ok(client)
    })
    .await
}

/// Removes a client; its tokens are refused from the next request on.
pub async fn remove(app: &App, id: ClientId, context: &Context<'_>) -> Result<(), Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let client = client::lock(context.store, id, conn)
            .await?
            .or_not_found()?;
        context.check_version(client.version)?;
        webhook::delete_of_client(context.store, id, conn).await?;
        client::delete(context.store, id, conn).await?;
        let event = event(EventType::ClientDeleted, &client, json!({}));
        Ok(context.log(&[event], app.clock.now(), conn).await?)
    })
    .await
}

/// Gives a client another secret, which is to be had only here. The one before is good for `overlap` more; without
/// that neither it nor any token that was made is good.
///
/// # Errors
/// 403 `missing_scope`, 409 `action_not_allowed` for a client that signs.
pub async fn rotate_secret(
    app: &App,
    id: ClientId,
    overlap: TimeDelta,
    held: &[Scope],
    context: &Context<'_>,
) -> Result<(Client, SecretString), Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut client = client::lock(context.store, id, conn)
            .await?
            .or_not_found()?;
        context.check_version(client.version)?;
        may_grant(&client.scopes, held)?;
        if client.auth_method == AuthMethod::PrivateKeyJwt {
            return Err(Code::ActionNotAllowed.because(text!("this-client-has-no-secret")));
        }
        let secret = new_secret();
        let replaced = client.secret_hash.replace(hash_of(&secret));
        client.secret_id = Uuid::new_v4();
        let was_used = client.secret_used_at.take().is_some();
        if overlap > TimeDelta::zero() {
            // One that was never used, as its answer was lost, is not the one that the partner has.
            let now = app.clock.now();
            let in_use = client.good_former_hash(now).filter(|_| !was_used).cloned();
            client.former_hash = in_use.or(replaced);
            client.former_until = Some(now + overlap);
        } else {
            (client.former_hash, client.former_until) = (None, None);
            client.generation = Uuid::new_v4();
        }
        context.ticket.record(client.secret_id, conn).await?;
        rotated(app, &mut client, context, conn).await?;
        Ok((client, secret))
    })
    .await
}

async fn rotated(
    app: &App,
    client: &mut Client,
    context: &Context<'_>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    client::save(client, app.clock.now(), conn).await?;
    let data = json!({ "former_until": client.former_until });
    let event = event(EventType::ClientSecretRotated, client, data);
    Ok(context.log(&[event], client.updated_at, conn).await?)
}

fn shown(client: &Client) -> Value {
    json!({ "auth_method": client.auth_method, "scopes": client.scopes, "allowed_ips": client.allowed_ips })
}

fn event(kind: EventType, client: &Client, data: Value) -> NewEvent {
    NewEvent::new(kind, Subject::Client(client.id), data)
}
