//! Showing at a login that one knows a password. Where there is no such account, that takes as long.

use super::session::{self, Origin};
use crate::app::App;
use crate::db::{password, share, store};
use crate::domain::member::MemberStatus;
use crate::domain::{MemberId, StoreId, UserId};
use crate::error::Error;
use crate::passwords;

/// Somebody of the staff of the store with this short name: who it is, and the hash of the password it has shown. The address
/// is trimmed and case-folded. A failure stands in the store's log.
///
/// # Errors
/// `login_failed`, whatever was wrong.
pub async fn of_staff(
    app: &App,
    slug: &str,
    email: &str,
    given: String,
    from: &Origin,
) -> Result<(StoreId, UserId, String), Error> {
    let (store, user) = staff(app, slug, email).await?;
    let hash = user.as_ref().and_then(|(_, hash)| hash.clone());
    let right = passwords::verify(given, hash).await?;
    if let (Some(store), Some((user, Some(hash))), true) = (store, &user, right) {
        share::belongs_to(store);
        return Ok((store, *user, hash.clone()));
    }
    if let Some(store) = store {
        session::note_failed(app, store, user.map(|(user, _)| user), from);
    }
    Err(session::failed())
}

/// Whom the address may be of, as far as there are such a store and such a user, and the hash of his password.
async fn staff(
    app: &App,
    slug: &str,
    email: &str,
) -> Result<(Option<StoreId>, Option<(UserId, Option<String>)>), Error> {
    let conn = app.db().await?;
    let Some(store) = store::find_by_slug(slug, &conn).await? else {
        return Ok((None, None));
    };
    let user = password::of_user(store.store_id, email, &conn).await?;
    Ok((Some(store.store_id), user))
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
