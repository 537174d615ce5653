//! How far the rights of a caller of the admin API go now, whatever they were when the token was made.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;

use super::bearer;
use crate::db;
use crate::db::session::Standing;
use crate::domain::client::may_come_from;
use crate::domain::permissions::{Role, Scope};
use crate::domain::{SessionId, StoreId, UserId};
use crate::error::{Code, Error};
use crate::tokens::{Claims, Holder, Outside};

/// How long it holds that one of the staff has shown who he is.
const PROOF_HOLDS: TimeDelta = TimeDelta::minutes(10);

/// How far the rights of somebody go now, whatever they were when the token was made.
pub(super) enum Extent {
    /// As far as the token's.
    OfTheToken,
    /// One of the staff.
    Staff {
        /// What he may do.
        role: Role,
        /// Has he shown of late who he is?
        proved: bool,
        /// What he must do about a second factor before anything else.
        first: Option<First>,
    },
    /// The scopes of a client.
    Scopes(Vec<Scope>),
}

/// What somebody must do about a second factor first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Set one up.
    SetUp,
    /// Show one where he has logged in.
    Show,
}

impl Extent {
    pub(super) fn allows(&self, scope: Scope) -> bool {
        match self {
            Self::OfTheToken => true,
            Self::Staff { role, first, .. } => first.is_none() && role.allows(scope),
            Self::Scopes(scopes) => scopes.contains(&scope),
        }
    }

    /// Asks one of the staff to have shown of late who he is.
    pub(super) fn require_proof(&self) -> Result<(), Error> {
        match self {
            Self::Staff { proved: false, .. } => {
                Err(Code::StepUpRequired.because(text!("show-again-who-you-are")))
            }
            Self::Staff { proved: true, .. } | Self::OfTheToken | Self::Scopes(_) => Ok(()),
        }
    }

    pub(super) fn missing(&self, scope: Scope) -> Error {
        match self {
            Self::Staff {
                first: Some(First::SetUp),
                ..
            } => Code::SecondFactorNotSetUp.because(text!("store-asks-its-owners-for-a-second")),
            Self::Staff {
                first: Some(First::Show),
                ..
            } => Code::SecondFactorRequired.because(text!("log-in-at-the-issuer-with-more")),
            Self::Staff { first: None, .. } | Self::OfTheToken | Self::Scopes(_) => missing(scope),
        }
    }

    fn of_staff(user: &Standing, now: DateTime<Utc>) -> Self {
        let proved_at = user.proved_at.unwrap_or(user.created_at);
        let lacks = user.role == Role::Owner && user.second_factor_at.is_none();
        let must = lacks && user.store_requires_it;
        Self::Staff {
            role: user.role,
            proved: now - proved_at <= PROOF_HOLDS,
            first: must.then_some(First::SetUp),
        }
    }
}

/// How far one of the staff goes with a token of an issuer, where he has logged in: what is asked of him here, the issuer has to
/// have asked for.
async fn of_outside(
    store: StoreId,
    user: UserId,
    outside: Outside,
    now: DateTime<Utc>,
    conn: &AsyncPgConnection,
) -> Result<Option<Extent>, Error> {
    let issuer = (outside.issuer, outside.version);
    let found = db::issuer::user_of(store, issuer, user, conn).await?;
    let proved_at = outside.logged_in_at.unwrap_or_default();
    Ok(found.map(|(role, second_factor_at, store_requires_it)| {
        let must = second_factor_at.is_some() || (role == Role::Owner && store_requires_it);
        Extent::Staff {
            role,
            proved: now - proved_at <= PROOF_HOLDS,
            first: (must && !outside.more_than_a_password).then_some(First::Show),
        }
    }))
}

/// Looks at whoever holds the token: the session may have been ended since it was made, one of the staff removed or given
/// another role, a client taken away ("What the shop takes away is gone at the next call", docs/rules.md). The inner error
/// says why he is nobody any more.
pub(super) async fn extent(
    claims: &Claims,
    address: IpAddr,
    now: DateTime<Utc>,
    conn: &AsyncPgConnection,
) -> Result<Result<Extent, Error>, Error> {
    let (store, session) = (claims.store, SessionId(claims.jti));
    let extent = match claims.sub {
        Holder::User(user) => match claims.outside {
            None => db::session::user_of(store, session, user, conn)
                .await?
                .map(|user| Extent::of_staff(&user, now)),
            Some(outside) => of_outside(store, user, outside, now, conn).await?,
        },
        Holder::Client(client) => {
            let client = db::client::allowed(store, client, claims.jti, conn).await?;
            if let Some(client) = &client
                && !may_come_from(address, &client.allowed_ips)
            {
                return Ok(Err(
                    Code::AddressNotAllowed.because(text!("client-may-not-call-from-this-address"))
                ));
            }
            client.map(|client| Extent::Scopes(client.scopes))
        }
        Holder::CommandLine => db::session::of_nobody_stands(store, session, conn)
            .await?
            .then_some(Extent::OfTheToken),
        // Nobody makes a member a token for this API.
        Holder::Member(_) => None,
    };
    Ok(extent.ok_or_else(bearer::invalid))
}

/// The answer to whoever lacks a scope.
pub(super) fn missing(scope: Scope) -> Error {
    Code::MissingScope.because(text!("this-needs-the-scope", scope = scope))
}
