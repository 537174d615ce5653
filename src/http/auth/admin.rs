//! Callers of the admin API: the shop's staff, its partners, a developer's token.

use std::cell::RefCell;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use futures_util::future::LocalBoxFuture;

use super::extent::{Extent, extent, missing};
use super::{Caller, admit, bearer};
use crate::app::App;
use crate::db::idempotency_key::Ticket;
use crate::domain::permissions::Scope;
use crate::domain::{ClientId, SessionId, StoreId, UserId};
use crate::error::{Code, Error, Problem};
use crate::http::error::problem;
use crate::http::etag::IfMatch;
use crate::http::limits;
use crate::http::signature::{Access, Principal};
use crate::tokens::{Audience, Claims, Holder};
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
    /// Who, for the log of events: `user:<id>`, `client:<id>` or `token:cli`.
    pub actor: String,
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

    /// Asks one of the staff to have shown of late who he is.
    pub fn require_proof(&self) -> Result<(), Error> {
        self.found.extent.require_proof()
    }

    /// Does the caller hold this scope?
    pub fn allows(&self, scope: Scope) -> bool {
        self.found.allows(scope)
    }

    /// Asks for several, as of a repeat of the request later.
    pub fn require_all(&self, scopes: &[Scope]) -> Result<(), Error> {
        scopes.iter().try_for_each(|scope| self.require(*scope))
    }

    /// All the scopes that the caller holds.
    pub fn scopes(&self) -> Vec<Scope> {
        let all = Scope::ALL.iter().copied();
        all.filter(|scope| self.allows(*scope)).collect()
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

    /// The session behind the token.
    ///
    /// # Errors
    /// 409 `action_not_allowed` for a client, which has none.
    pub fn session(&self) -> Result<SessionId, Error> {
        if self.found.claims.outside.is_some() {
            return Err(Code::ActionNotAllowed.because(text!("log-in-at-the-issuer-outside")));
        }
        match self.found.claims.sub {
            Holder::User(_) | Holder::CommandLine => Ok(SessionId(self.found.claims.jti)),
            Holder::Client(_) | Holder::Member(_) => {
                Err(Code::ActionNotAllowed.because(text!("client-has-no-session")))
            }
        }
    }

    /// Who of the staff it is, and the session. What somebody does to his own account asks for a log-in here.
    ///
    /// # Errors
    /// 409 `action_not_allowed` for anybody else, and for whoever has logged in at an issuer.
    pub fn user(&self) -> Result<(UserId, SessionId), Error> {
        Ok((self.user_anywhere()?, self.session()?))
    }

    /// Who of the staff it is, wherever he has logged in.
    ///
    /// # Errors
    /// 409 `action_not_allowed` for anybody else.
    pub fn user_anywhere(&self) -> Result<UserId, Error> {
        match self.found.claims.sub {
            Holder::User(user) => Ok(user),
            Holder::CommandLine | Holder::Client(_) | Holder::Member(_) => {
                Err(Code::ActionNotAllowed.because(text!("this-is-for-the-staff")))
            }
        }
    }

    /// Which client it is, if it is one.
    pub fn client(&self) -> Option<ClientId> {
        match self.found.claims.sub {
            Holder::Client(client) => Some(client),
            Holder::User(_) | Holder::CommandLine | Holder::Member(_) => None,
        }
    }

    /// What to ask again while an answer goes on.
    pub fn standing(&self) -> Standing {
        Standing {
            claims: self.found.claims.clone(),
            address: self.found.address,
            scopes: self.found.used.borrow().clone(),
        }
    }
}

/// Whether a caller may still be told things, for answers that outlast the request.
#[derive(Clone, Debug)]
pub struct Standing {
    claims: Arc<Claims>,
    address: IpAddr,
    /// What was asked for so far.
    scopes: Vec<Scope>,
}

impl Standing {
    /// Where the caller is.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The caller's store.
    pub fn store(&self) -> StoreId {
        self.claims.store
    }

    /// Has the token run out?
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.claims.exp <= now.timestamp()
    }

    /// Is the key that has signed the token still one, the session behind it still open, and may its owner still do what he was let in for?
    pub async fn stands(&self, app: &App) -> Result<bool, Error> {
        if self.claims.outside.is_none() && !app.tokens.knows(&self.claims.kid) {
            return Ok(false);
        }
        let conn = app.db().await?;
        let extent = extent(&self.claims, self.address, app.clock.now(), &conn).await?;
        Ok(extent.is_ok_and(|extent| self.scopes.iter().all(|scope| extent.allows(*scope))))
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
            let app = bearer::app(request)?.clone();
            let address = limits::address(request, &app.config);
            Ok((app, claims, address))
        });
        Box::pin(async move {
            let (app, claims, address) = app?;
            let (now, conn) = (app.clock.now(), app.db().await?);
            Self::of(Rc::new(check(claims, address, now, false, &conn).await?))
        })
    }
}

/// A caller of the admin API who holds the scope `P` and only reads. Whether the session behind the token still stands is
/// asked together with what is to be read, so that both take one round trip; without it, what was read is dropped.
pub struct Reading<P: Permission> {
    claims: Arc<Claims>,
    address: IpAddr,
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
        let known = check(self.claims, self.address, app.clock.now(), false, conn);
        let (known, found) = futures_util::join!(known, read(store, conn));
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
                address: limits::address(request, &bearer::app(request)?.config),
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

/// Somebody whose session stands.
pub struct Known {
    claims: Arc<Claims>,
    actor: String,
    address: IpAddr,
    extent: Extent,
    /// May the request change something?
    changes: bool,
    used: RefCell<Vec<Scope>>,
}

impl Known {
    fn allows(&self, scope: Scope) -> bool {
        self.claims.allows(scope) && self.extent.allows(scope)
    }

    fn require(&self, scope: Scope) -> Result<(), Error> {
        if !self.allows(scope) {
            return Err(self.extent.missing(scope));
        }
        if self.changes && scope.asks_again() {
            self.extent.require_proof()?;
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

    pub(super) async fn look_again(&self, request: &HttpRequest) -> Result<(), Error> {
        let Some(Ok(before)) = self.known() else {
            return Ok(());
        };
        let claims = before.claims.clone();
        let app = bearer::app(request)?;
        if claims.outside.is_none() && !app.tokens.knows(&claims.kid) {
            return Err(bearer::invalid());
        }
        if claims.exp <= app.clock.now().timestamp() {
            return Err(Code::TokenExpired.because(text!("access-token-has-expired-meanwhile")));
        }
        let now = look_at_session(request, claims).await?;
        let mut lost = Scope::ALL
            .iter()
            .filter(|scope| before.allows(**scope) && !now.allows(**scope));
        lost.next()
            .map_or(Ok(()), |scope| Err(now.extent.missing(*scope)))
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
    Found::Checked(looked.map(Rc::new).map_err(problem))
}

async fn look_at_session(request: &HttpRequest, claims: Arc<Claims>) -> Result<Known, Error> {
    let app = bearer::app(request)?;
    let address = limits::address(request, &app.config);
    let changes = !request.method().is_safe();
    let (now, conn) = (app.clock.now(), app.db().await?);
    check(claims, address, now, changes, &conn).await
}

async fn check(
    claims: Arc<Claims>,
    address: IpAddr,
    now: DateTime<Utc>,
    changes: bool,
    conn: &AsyncPgConnection,
) -> Result<Known, Error> {
    Ok(Known {
        extent: extent(&claims, address, now, conn).await??,
        changes,
        actor: claims.sub.actor(),
        claims,
        address,
        used: RefCell::default(),
    })
}
