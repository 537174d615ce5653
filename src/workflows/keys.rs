//! The keys of the service: those that sign tokens are replaced one after the other, and what the master keys sealed is sealed
//! anew. All of it while any number of processes run.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;

use super::provider::auth_code_purpose;
use super::second_factor;
use super::webhook::manage;
use crate::app::App;
use crate::clock::Clock;
use crate::crypto::{MasterKeys, random};
use crate::db::signing_key::{self, SigningKey};
use crate::db::{paid_settings, second_factor as factors, service_key, store, webhook};
use crate::domain::{StoreId, WebhookId};
use crate::tokens::{self, Tokens};

/// How many rows are sealed anew between two looks for more.
const PORTION: i64 = 200;

/// Under which name the key of the fingerprints is kept.
const FINGERPRINTS: &str = "fingerprints";

/// What the service signs, seals and makes fingerprints with, from these master keys and what the database keeps.
///
/// # Errors
/// If the master keys do not open it.
pub async fn load(
    master: MasterKeys,
    clock: &Clock,
    conn: &mut AsyncPgConnection,
) -> anyhow::Result<(MasterKeys, Tokens)> {
    let tokens = Tokens::load(&master, clock, conn).await?;
    let kept = match service_key::find(FINGERPRINTS, conn).await? {
        Some(kept) => kept,
        None => {
            // In a database from before, what was made with the oldest master key must be known again.
            let first = if store::are_there_any(conn).await? {
                master.first_fingerprint_key()
            } else {
                random::<32>().to_vec()
            };
            let first = master.seal(FINGERPRINTS, &first);
            service_key::insert_or_find(FINGERPRINTS, &first, clock.now(), conn).await?
        }
    };
    let key = master.open(FINGERPRINTS, &kept)?;
    Ok((master.with_fingerprint_key(&key), tokens))
}

/// Makes a key that signs tokens: after [`tokens::LEAD`], when every process knows it; or at once. The keys before it still
/// check what they have signed. At once, it takes the place of one that waits as well.
pub async fn rotate(app: &App, at_once: bool) -> anyhow::Result<SigningKey> {
    let now = app.clock.now();
    let from = if at_once { now } else { now + tokens::LEAD };
    let key = tokens::new_key(&app.keys, now, Some(from))?;
    let conn = &mut *app.db().await?;
    if at_once {
        signing_key::delete_waiting(now, conn).await?;
    }
    signing_key::insert(&key, conn).await?;
    app.tokens.reload(&app.keys, conn).await?;
    Ok(key)
}

/// A key as it is listed.
pub struct Listed {
    /// Its name.
    pub kid: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Does it sign now?
    pub signs: bool,
    /// From when on it signs, if it does not yet.
    pub signs_from: Option<DateTime<Utc>>,
}

/// Every key, the newest last.
pub async fn list(app: &App) -> anyhow::Result<Vec<Listed>> {
    let keys = signing_key::all(&*app.db().await?).await?;
    let signing = app.tokens.signing_kid();
    let listed = |key: SigningKey| Listed {
        signs: signing.as_ref() == Some(&key.kid),
        kid: key.kid,
        created_at: key.created_at,
        signs_from: key.signs_from,
    };
    Ok(keys.into_iter().map(listed).collect())
}

/// Takes a key away: what it has signed is useless as soon as the processes have read the keys again, within ten seconds.
///
/// # Errors
/// If it is not there, or signs.
pub async fn retire(app: &App, kid: &str) -> anyhow::Result<()> {
    let conn = &mut *app.db().await?;
    app.tokens.reload(&app.keys, conn).await?;
    let keys = signing_key::all(conn).await?;
    let key = keys.into_iter().find(|key| key.kid == kid);
    let key = key.ok_or_else(|| anyhow::anyhow!("there is no key {kid:?}"))?;
    anyhow::ensure!(
        app.tokens.signing_kid().as_deref() != Some(key.kid.as_str()),
        "{kid:?} signs; make another with `kakeuri keys rotate` first"
    );
    signing_key::delete(kid, conn).await?;
    app.tokens.reload(&app.keys, conn).await
}

/// How much was sealed anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Values that the newest master key seals by now.
    pub resealed: usize,
    /// Values that none of the master keys opens; they were left.
    pub unreadable: usize,
}

/// Seals whatever stays with the newest of the master keys: the keys of the service, auth codes, secrets of webhooks and of second
/// factors. Broken off, it is begun again; a value that is changed meanwhile is left to whoever changes it.
pub async fn reseal(app: &App) -> anyhow::Result<Resealed> {
    let mut done = Resealed::default();
    for key in signing_key::all(&*app.db().await?).await? {
        let purpose = tokens::purpose(&key.kid);
        if let Some(sealed) = anew(app, &purpose, &key.secret_sealed, &mut done) {
            done.resealed += signing_key::reseal(&key, &sealed, &mut *app.db().await?).await?;
        }
    }
    let kept = service_key::find(FINGERPRINTS, &*app.db().await?).await?;
    if let Some(kept) = kept
        && let Some(sealed) = anew(app, FINGERPRINTS, &kept, &mut done)
    {
        let conn = &mut *app.db().await?;
        done.resealed += service_key::reseal(FINGERPRINTS, &kept, &sealed, conn).await?;
    }
    reseal_auth_codes(app, &mut done).await?;
    reseal_webhooks(app, &mut done).await?;
    reseal_second_factors(app, &mut done).await?;
    Ok(done)
}

async fn reseal_auth_codes(app: &App, done: &mut Resealed) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let rows = paid_settings::sealed(after, PORTION, &*app.db().await?).await?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        after = Some(*last);
        for (store, sealed) in &rows {
            if let Some(new) = anew(app, &auth_code_purpose(*store), sealed, done) {
                let conn = &mut *app.db().await?;
                done.resealed += paid_settings::reseal(*store, sealed, &new, conn).await?;
            }
        }
    }
}

async fn reseal_webhooks(app: &App, done: &mut Resealed) -> anyhow::Result<()> {
    let mut after: Option<(StoreId, WebhookId)> = None;
    loop {
        let rows = webhook::sealed(after, PORTION, &*app.db().await?).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = Some((last.store_id, last.id));
        for row in &rows {
            let purpose = manage::purpose(row.store_id, row.id);
            let secret = anew(app, &purpose, &row.secret_sealed, done);
            let former = row.former_sealed.as_deref();
            let former = former.and_then(|sealed| anew(app, &purpose, sealed, done));
            if secret.is_some() || former.is_some() {
                let conn = &mut *app.db().await?;
                done.resealed +=
                    webhook::reseal(row, secret.as_deref(), former.as_deref(), conn).await?;
            }
        }
    }
}

async fn reseal_second_factors(app: &App, done: &mut Resealed) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let rows = factors::sealed(after, PORTION, &*app.db().await?).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = Some((last.store_id, last.user_id));
        for row in &rows {
            let purpose = second_factor::purpose(row.store_id, row.user_id);
            if let Some(sealed) = anew(app, &purpose, &row.secret_sealed, done) {
                done.resealed += factors::reseal(row, &sealed, &mut *app.db().await?).await?;
            }
        }
    }
}

/// A value sealed with the newest key, unless it is already, or cannot be opened.
fn anew(app: &App, purpose: &str, sealed: &[u8], done: &mut Resealed) -> Option<Vec<u8>> {
    if app.keys.is_newest(sealed) {
        return None;
    }
    match app.keys.open(purpose, sealed) {
        Ok(secret) => Some(app.keys.seal(purpose, &secret)),
        Err(_) => {
            done.unreadable += 1;
            None
        }
    }
}
