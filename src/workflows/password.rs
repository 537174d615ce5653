//! Showing at a login that one knows a password. Where there is no such account, that takes as long.

use super::session;
use crate::app::App;
use crate::db::{password, store};
use crate::domain::member::MemberStatus;
use crate::domain::permissions::Role;
use crate::domain::{MemberId, StoreId, UserId};
use crate::error::Error;
use crate::passwords;

/// Somebody of the staff of the store with this short name: who it is, the role, and the hash of the password it has shown.
/// The address is trimmed and case-folded.
///
/// # Errors
/// `login_failed`, whatever was wrong.
pub async fn of_staff(
    app: &App,
    slug: &str,
    email: &str,
    given: String,
) -> Result<(StoreId, UserId, Role, String), Error> {
    let found = staff(app, slug, email).await?;
    let hash = found.as_ref().and_then(|(.., hash)| hash.clone());
    let right = passwords::verify(given, hash).await?;
    let (store, user, role, hash) = found.filter(|_| right).ok_or_else(session::failed)?;
    Ok((store, user, role, hash.unwrap_or_default()))
}

async fn staff(
    app: &App,
    slug: &str,
    email: &str,
) -> Result<Option<(StoreId, UserId, Role, Option<String>)>, Error> {
    let conn = app.db().await?;
    let Some(store) = store::find_by_slug(slug, &conn).await? else {
        return Ok(None);
    };
    let user = password::of_user(store.store_id, email, &conn).await?;
    Ok(user.map(|(id, role, hash)| (store.store_id, id, role, hash)))
}

/// A member of the store: who it is, how it stands with the shop, and the hash of the password it has shown. The
/// address is trimmed and case-folded.
///
/// # Errors
/// `login_failed`, whatever was wrong.
pub async fn of_member(
    app: &App,
    store: StoreId,
    email: &str,
    given: String,
) -> Result<(MemberId, MemberStatus, String), Error> {
    let found = password::of_member(store, email, &*app.db().await?).await?;
    let hash = found.as_ref().and_then(|(.., hash)| hash.clone());
    let right = passwords::verify(given, hash).await?;
    let (id, status, hash) = found.filter(|_| right).ok_or_else(session::failed)?;
    Ok((id, status, hash.unwrap_or_default()))
}
