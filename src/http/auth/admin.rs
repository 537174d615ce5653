//! Callers of the admin API: the shop's staff, its partners, a developer's token.

use std::cell::RefCell;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};
use chrono::{DateTime, Utc};

use super::{Caller, admit, bearer};
use crate::app::App;
use crate::db;
use crate::db::idempotency_key::Ticket;
use crate::domain::permissions::{Role, Scope};
use crate::domain::{SessionId, StoreId, UserId};
use crate::error::{Code, Error, Problem};
use crate::http::etag::IfMatch;
use crate::http::signature::{Access, Principal};
use crate::tokens::{Audience, Claims};
use crate::workflows::context::Context;

/// What a route asks for, as a type: a route without one does not compile.
pub trait Permission: 'static {
    /// The scope; `None` where it depends on what is asked for, see [`AnyScope`].
    const SCOPE: Option<Scope>;
}

/// A caller of the admin API who holds the scope `P`.
#[derive(Clone)]
pub struct Admin<P: Permission> {
    /// The store.
    pub store: StoreId,
    /// Who, for the log of events: `user:<id>` or `token:<subject>`.
    pub actor: String,
    /// The session behind the token.
    pub session: SessionId,
    found: Rc<Known>,
    permission: PhantomData<P>,
}

/// For routes whose scope depends on the row, as that of a job does. The handler calls [`Admin::require`].
#[derive(Clone, Copy, Debug)]
pub struct AnyScope;

impl Permission for AnyScope {
    const SCOPE: Option<Scope> = None;
}

/// A type for each scope, of the same name.
pub mod scopes {
    use super::{Permission, Scope};

    macro_rules! permissions {
        ($($name:ident),+) => {
            $(
                #[doc = concat!("[`Scope::", stringify!($name), "`] as a type.")]
                #[derive(Clone, Copy, Debug)]
                pub struct $name;

                impl Permission for $name {
                    const SCOPE: Option<Scope> = Some(Scope::$name);
                }
            )+

            // A new scope does not compile until it is listed.
            const _: fn(Scope) = |scope| match scope {
                $(Scope::$name => ()),+
            };
        };
    }

    permissions!(
        SettingsRead,
        SettingsWrite,
        MembersRead,
        MembersWrite,
        ProductsWrite,
        OrdersRead,
        OrdersWrite,
        PaymentsWrite,
        EventsRead,
        WebhooksWrite,
        ClientsWrite,
        UsersWrite,
        MembersImpersonate
    );
}

impl<P: Permission> Admin<P> {
    /// Asks for a further scope.
    pub fn require(&self, scope: Scope) -> Result<(), Error> {
        self.found.require(scope)
    }

    /// Does the caller hold this scope?
    pub fn allows(&self, scope: Scope) -> bool {
        self.found.allows(scope)
    }

    /// For what the caller does to a resource.
    pub fn context<'a>(&'a self, if_match: &'a IfMatch, ticket: &'a Ticket) -> Context<'a> {
        Context {
            precondition: &if_match.0,
            ..self.unconditional(ticket)
        }
    }

    /// For what the caller does to whatever version there is.
    pub fn unconditional<'a>(&'a self, ticket: &'a Ticket) -> Context<'a> {
        Context {
            payments_write: self.allows(Scope::PaymentsWrite),
            ..Context::unconditional(self.store, &self.actor, ticket)
        }
    }

    /// When the token ends, in seconds since 1970.
    pub fn token_ends(&self) -> i64 {
        self.found.claims.exp
    }

    /// What to ask again while an answer goes on.
    pub fn standing(&self) -> Standing {
        let user = self
            .actor
            .strip_prefix("user:")
            .and_then(|id| id.parse().ok());
        Standing {
            store: self.store,
            ends: self.token_ends(),
            session: self.session,
            user,
        }
    }
}

/// Whether a caller may still be told things, for answers that outlast the request.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    store: StoreId,
    ends: i64,
    session: SessionId,
    user: Option<UserId>,
}

impl Standing {
    /// The caller's store.
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// Has the token run out?
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.ends <= now.timestamp()
    }

    /// Is the session behind the token still open, and its owner still there?
    pub async fn session_stands(&self, app: &App) -> Result<bool, Error> {
        let conn = app.db().await?;
        Ok(match self.user {
            Some(user) => db::session::user_of(self.store, self.session, user, &conn)
                .await?
                .is_some(),
            None => db::session::of_nobody_stands(self.store, self.session, &conn).await?,
        })
    }
}

impl<P: Permission> FromRequest for Admin<P> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(pick_up(request).and_then(|admin| admit(request, false).map(|()| admin)))
    }
}

impl<P: Permission> Principal for Admin<P> {
    const ACCESS: Access = Access::Token(P::SCOPE);
}

fn pick_up<P: Permission>(request: &HttpRequest) -> Result<Admin<P>, Error> {
    let extensions = request.extensions();
    let found = extensions
        .get::<Found>()
        .ok_or_else(|| anyhow::anyhow!("this route is outside the admin API"))?;
    let known = match &found.0 {
        Ok(known) => known.clone(),
        Err(problem) => return Err(problem.clone().into()),
    };
    if let Some(scope) = P::SCOPE {
        known.require(scope)?;
    }
    Ok(Admin {
        store: known.claims.store,
        actor: known.actor.clone(),
        session: known.session,
        found: known,
        permission: PhantomData,
    })
}

/// What the credentials of a request came to.
pub struct Found(Result<Rc<Known>, Problem>);

struct Known {
    claims: Arc<Claims>,
    actor: String,
    session: SessionId,
    /// The role that a member of the staff has now, whatever it was when the token was made.
    role: Option<Role>,
    used: RefCell<Vec<Scope>>,
}

impl Known {
    fn allows(&self, scope: Scope) -> bool {
        self.claims.allows(scope) && self.role.is_none_or(|role| role.allows(scope))
    }

    fn require(&self, scope: Scope) -> Result<(), Error> {
        if !self.allows(scope) {
            return Err(Code::MissingScope.because(format!(
                "This needs the scope {scope}, which the token does not have."
            )));
        }
        self.used.borrow_mut().push(scope);
        Ok(())
    }
}

impl Found {
    pub(super) fn caller(&self) -> Option<Caller> {
        let known = self.0.as_ref().ok()?;
        Some(Caller {
            store: known.claims.store,
            name: Some(known.actor.clone()),
        })
    }

    pub(super) fn scopes_used(&self) -> Vec<Scope> {
        self.0
            .as_ref()
            .map(|known| known.used.borrow().clone())
            .unwrap_or_default()
    }

    pub(super) fn require_all(&self, scopes: &[Scope]) -> Result<(), Error> {
        match &self.0 {
            Ok(known) => scopes.iter().try_for_each(|scope| known.require(*scope)),
            Err(problem) => Err(problem.clone().into()),
        }
    }
}

/// Looks at the credentials.
pub async fn look(request: &HttpRequest) -> Found {
    Found(match check(request).await {
        Ok(known) => Ok(Rc::new(known)),
        Err(Error::Problem(problem)) => Err(*problem),
        Err(Error::Internal(cause)) => Err(crate::http::error::internal(&cause)),
    })
}

async fn check(request: &HttpRequest) -> Result<Known, Error> {
    let claims = bearer::claims(request, Audience::Admin)?;
    let session = SessionId(claims.jti);
    let conn = bearer::app(request)?.db().await?;
    // The session may have been ended since the token was made, and the member of the staff removed or given another role.
    let (actor, role) = match claims.sub.strip_prefix("user:") {
        Some(user) => {
            let user = user.parse().map_err(|_| bearer::invalid())?;
            let user = db::session::user_of(claims.store, session, user, &conn)
                .await?
                .ok_or_else(bearer::invalid)?;
            (claims.sub.clone(), Some(user.role))
        }
        None if db::session::of_nobody_stands(claims.store, session, &conn).await? => {
            (format!("token:{}", claims.sub), None)
        }
        None => return Err(bearer::invalid()),
    };
    Ok(Known {
        claims,
        actor,
        session,
        role,
        used: RefCell::default(),
    })
}
