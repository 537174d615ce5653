//! Callers of the admin API: the shop's staff, its partners, a developer's token.

use std::cell::RefCell;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use futures_util::future::LocalBoxFuture;

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
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let claims = match found(request) {
            Ok(Found::Checked(checked)) => {
                let known = checked.clone().map_err(Error::from);
                let admin = known.and_then(Self::of);
                let admitted = admin.and_then(|admin| admit(request, false).map(|()| admin));
                return Box::pin(ready(admitted));
            }
            Ok(Found::Unchecked(claims)) => Ok(claims.clone()),
            Err(outside) => Err(outside),
        };
        let app = claims.and_then(|claims| {
            holds::<P>(&claims)?;
            admit(request, false)?;
            Ok((bearer::app(request)?.clone(), claims))
        });
        Box::pin(async move {
            let (app, claims) = app?;
            let known = check(claims, &*app.db().await?).await?;
            Self::of(Rc::new(known))
        })
    }
}

/// A caller of the admin API who holds the scope `P` and only reads. Whether the session behind the token still stands is
/// asked together with what is to be read, so that both take one round trip; without it, what was read is dropped.
pub struct Reading<P: Permission> {
    claims: Arc<Claims>,
    permission: PhantomData<P>,
}

impl<P: Permission> Reading<P> {
    /// What `read` finds in the store, if the caller may still know. It must change nothing.
    pub async fn read<T>(
        self,
        app: &App,
        read: impl AsyncFnOnce(StoreId, &AsyncPgConnection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let conn = &*app.db().await?;
        let store = self.claims.store;
        let (known, found) = futures_util::join!(check(self.claims, conn), read(store, conn));
        Admin::<P>::of(Rc::new(known?))?;
        found
    }
}

impl<P: Permission> FromRequest for Reading<P> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let claims = found(request).and_then(|found| match found {
            Found::Unchecked(claims) => Ok(claims.clone()),
            Found::Checked(Err(problem)) => Err(problem.clone().into()),
            Found::Checked(Ok(known)) => Ok(known.claims.clone()),
        });
        ready(claims.and_then(|claims| {
            holds::<P>(&claims)?;
            admit(request, false)?;
            Ok(Self {
                claims,
                permission: PhantomData,
            })
        }))
    }
}

impl<P: Permission> Principal for Reading<P> {
    const ACCESS: Access = Access::Token(P::SCOPE);
}

impl<P: Permission> Principal for Admin<P> {
    const ACCESS: Access = Access::Token(P::SCOPE);
}

impl<P: Permission> Admin<P> {
    fn of(known: Rc<Known>) -> Result<Self, Error> {
        if let Some(scope) = P::SCOPE {
            known.require(scope)?;
        }
        Ok(Self {
            store: known.claims.store,
            actor: known.actor.clone(),
            session: known.session,
            found: known,
            permission: PhantomData,
        })
    }
}

/// What the credentials of a request came to.
#[derive(Clone)]
pub enum Found {
    /// The token is good, and its session stands; or why not.
    Checked(Result<Rc<Known>, Problem>),
    /// The token is good. Its session is looked at by the principal, before or while anything is read.
    Unchecked(Arc<Claims>),
}

fn found(request: &HttpRequest) -> Result<Found, Error> {
    let found = request.extensions().get::<Found>().cloned();
    Ok(found.ok_or_else(|| anyhow::anyhow!("this route is outside the admin API"))?)
}

/// Does the token allow what `P` asks for? Whether its owner's role still does is known with the session.
fn holds<P: Permission>(claims: &Claims) -> Result<(), Error> {
    match P::SCOPE {
        Some(scope) if !claims.allows(scope) => Err(missing(scope)),
        Some(_) | None => Ok(()),
    }
}

fn missing(scope: Scope) -> Error {
    Code::MissingScope.because(format!(
        "This needs the scope {scope}, which the token does not have."
    ))
}

/// Somebody whose session stands.
pub struct Known {
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
            return Err(missing(scope));
        }
        self.used.borrow_mut().push(scope);
        Ok(())
    }
}

impl Found {
    fn known(&self) -> Option<Result<&Rc<Known>, &Problem>> {
        match self {
            Self::Checked(checked) => Some(checked.as_ref()),
            Self::Unchecked(_) => None,
        }
    }

    pub(super) fn caller(&self) -> Option<Caller> {
        let known = self.known()?.ok()?;
        Some(Caller {
            store: known.claims.store,
            name: Some(known.actor.clone()),
        })
    }

    pub(super) fn scopes_used(&self) -> Vec<Scope> {
        let known = self.known().and_then(Result::ok);
        known
            .map(|known| known.used.borrow().clone())
            .unwrap_or_default()
    }

    pub(super) fn require_all(&self, scopes: &[Scope]) -> Result<(), Error> {
        match self.known() {
            Some(Ok(known)) => scopes.iter().try_for_each(|scope| known.require(*scope)),
            Some(Err(problem)) => Err(problem.clone().into()),
            None => Err(bearer::invalid()),
        }
    }
}

/// Looks at the credentials. Of a GET only the token is looked at: whatever answers it takes nothing further from the
/// caller, and its principal looks at the session.
pub async fn look(request: &HttpRequest) -> Found {
    let looked = match bearer::claims(request, Audience::Admin) {
        Ok(claims) if request.method() == Method::GET => return Found::Unchecked(claims),
        Ok(claims) => look_at_session(request, claims).await,
        Err(error) => Err(error),
    };
    Found::Checked(match looked {
        Ok(known) => Ok(Rc::new(known)),
        Err(Error::Problem(problem)) => Err(*problem),
        Err(Error::Internal(cause)) => Err(crate::http::error::internal(&cause)),
    })
}

async fn look_at_session(request: &HttpRequest, claims: Arc<Claims>) -> Result<Known, Error> {
    let conn = bearer::app(request)?.db().await?;
    check(claims, &conn).await
}

/// The session may have been ended since the token was made, and the member of the staff removed or given another role.
async fn check(claims: Arc<Claims>, conn: &AsyncPgConnection) -> Result<Known, Error> {
    let session = SessionId(claims.jti);
    let (actor, role) = match claims.sub.strip_prefix("user:") {
        Some(user) => {
            let user = user.parse().map_err(|_| bearer::invalid())?;
            let user = db::session::user_of(claims.store, session, user, conn)
                .await?
                .ok_or_else(bearer::invalid)?;
            (claims.sub.clone(), Some(user.role))
        }
        None if db::session::of_nobody_stands(claims.store, session, conn).await? => {
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
