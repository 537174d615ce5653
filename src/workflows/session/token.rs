//! What a session gives its holder: an access token, and a token to get the next ones.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use chrono::TimeDelta;

use crate::app::App;
use crate::crypto::{MasterKeys, hash_secret, same};
use crate::domain::permissions::Role;
use crate::domain::{MemberId, SessionId, StoreId, UserId};
use crate::error::Error;
use crate::tokens::{Audience, Claims, Holder};

/// Who logs in.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// A member.
    Member(MemberId),
    /// A member of the staff, with the role of the moment.
    User(UserId, Role),
}

/// The tokens of a session.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct SessionOut {
    /// For `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds until the access token ends.
    #[schema(example = 900)]
    pub expires_in: i64,
    /// Good once: the answer to a refresh brings the next one.
    pub refresh_token: String,
}

/// How long an access token lasts.
pub fn token_ttl(app: &App) -> TimeDelta {
    TimeDelta::from_std(app.config.token_ttl).unwrap_or(TimeDelta::minutes(15))
}

/// The tokens of a session, of which `refresh` is the refresh token that is good now.
pub fn tokens(
    app: &App,
    who: Who,
    refresh: &RefreshToken,
    ttl: TimeDelta,
) -> Result<SessionOut, Error> {
    let (audience, holder, scopes) = match who {
        Who::Member(id) => (Audience::Storefront, Holder::Member(id), Vec::new()),
        Who::User(id, role) => (Audience::Admin, Holder::User(id), role.scopes()),
    };
    let (store, session, now) = (refresh.store, refresh.session.0, app.clock.now());
    let claims = Claims::new(audience, store, holder, session, now, ttl).allowing(&scopes);
    Ok(SessionOut {
        access_token: app.tokens.sign(&claims)?,
        token_type: "Bearer",
        expires_in: ttl.num_seconds(),
        refresh_token: refresh.text(),
    })
}

/// A refresh token: its session, a secret, and the how many-th it is. The secret follows from the number and a key that the
/// database does not hold, so that a token of this session can be told for one when it is used up already.
#[derive(Debug)]
pub struct RefreshToken {
    /// The store.
    pub store: StoreId,
    /// The session.
    pub session: SessionId,
    secret: String,
}

impl RefreshToken {
    /// The one with this number.
    pub fn of(keys: &MasterKeys, store: StoreId, session: SessionId, number: i32) -> Self {
        let number_bytes = number.to_be_bytes();
        let proof = keys.fingerprint(&[
            b"refresh token",
            store.0.as_bytes(),
            session.0.as_bytes(),
            &number_bytes,
        ]);
        Self {
            store,
            session,
            secret: format!("{number}.{}", BASE64_URL_SAFE_NO_PAD.encode(proof)),
        }
    }

    /// Reads one, whoever has made it.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        Some(Self {
            store: parts.next()?.parse().ok()?,
            session: parts.next()?.parse().ok()?,
            secret: parts.next()?.to_owned(),
        })
    }

    /// As it is given to its holder.
    pub fn text(&self) -> String {
        format!("{}.{}.{}", self.store, self.session, self.secret)
    }

    /// What is kept of it.
    pub fn hash(&self) -> Vec<u8> {
        hash_secret(&self.secret)
    }

    /// The how many-th of its session it is; `None` if nobody has made it here.
    pub fn number(&self, keys: &MasterKeys) -> Option<i32> {
        let number = self.secret.split_once('.')?.0.parse().ok()?;
        let own = Self::of(keys, self.store, self.session, number);
        same(own.secret.as_bytes(), self.secret.as_bytes()).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_here_has_a_number() {
        let keys = MasterKeys::parse(&MasterKeys::generate()).unwrap();
        let others = MasterKeys::parse(&MasterKeys::generate()).unwrap();
        let (store, session) = (StoreId::new(), SessionId::new());
        let third = RefreshToken::of(&keys, store, session, 3);
        let read = |text: &str| RefreshToken::read(text).unwrap();
        assert_eq!(read(&third.text()).number(&keys), Some(3));
        assert_eq!(read(&third.text()).number(&others), None);
        let fourth = third.text().replacen(".3.", ".4.", 1);
        let of_another =
            third
                .text()
                .replacen(&session.to_string(), &SessionId::new().to_string(), 1);
        let random = format!("{store}.{session}.secret");
        for forged in [fourth, of_another, random] {
            assert_eq!(read(&forged).number(&keys), None, "{forged}");
        }
        assert!(RefreshToken::read("nonsense").is_none());
    }
}
