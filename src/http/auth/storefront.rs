//! Callers of the storefront API: visitors, who name the store, and members, who have logged in.

use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};

use super::{Caller, admit, bearer};
use crate::db;
use crate::db::member::Member;
use crate::db::store::{Store, Terms};
use crate::domain::{MemberId, SessionId, StoreId};
use crate::error::{Code, Error, OrNotFound as _, Problem};
use crate::http::error::problem;
use crate::http::signature::{Access, Principal};
use crate::tokens::{Audience, Holder};

/// The header that names the store.
pub const PUBLISHABLE_KEY: &str = "X-Publishable-Key";

/// A member who is logged in.
#[derive(Clone)]
pub struct Buyer {
    /// The store.
    pub store: StoreId,
    /// The member, as he is now, with the store that he buys from.
    pub terms: Rc<Terms>,
    /// His session; none with a token of an issuer.
    pub session: Option<SessionId>,
}

/// Somebody who named the store by its publishable key.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The store.
    pub store: Store,
}

/// A visitor or a member.
#[derive(Clone, Debug)]
pub struct Shopper {
    /// The store.
    pub store: StoreId,
    /// The member, where one is logged in.
    pub member: Option<MemberId>,
}

impl Buyer {
    /// Who, for the log of events.
    pub fn actor(&self) -> String {
        Holder::Member(self.member().id).actor()
    }

    /// The member.
    pub fn member(&self) -> &Member {
        &self.terms.member
    }
}

/// What the credentials of a request came to.
#[derive(Default)]
pub struct Found {
    member: Option<Result<Buyer, Box<Problem>>>,
    store: Option<Result<Store, Box<Problem>>>,
}

impl Found {
    pub(super) fn caller(&self) -> Option<Caller> {
        match (&self.member, &self.store) {
            (Some(Ok(buyer)), _) => Some(Caller {
                store: buyer.store,
                name: Some(buyer.actor()),
            }),
            (_, Some(Ok(store))) => Some(Caller {
                store: store.store_id,
                name: None,
            }),
            _ => None,
        }
    }

    fn buyer(&self) -> Result<Buyer, Error> {
        match &self.member {
            Some(found) => found.clone().map_err(Error::Problem),
            None => Err(Code::TokenMissing.because(text!("send-an-access-token"))),
        }
    }

    fn visitor(&self) -> Result<Visitor, Error> {
        match &self.store {
            Some(found) => found
                .clone()
                .map(|store| Visitor { store })
                .map_err(Error::Problem),
            None => Err(Code::TokenMissing.because(text!(
                "name-the-store-by-its-key",
                publishable_key = PUBLISHABLE_KEY
            ))),
        }
    }

    fn shopper(&self) -> Result<Shopper, Error> {
        if self.member.is_some() {
            return self.buyer().map(|buyer| Shopper {
                store: buyer.store,
                member: Some(buyer.member().id),
            });
        }
        self.visitor().map(|visitor| Shopper {
            store: visitor.store.store_id,
            member: None,
        })
    }
}

/// Looks at the credentials.
pub async fn look(request: &HttpRequest) -> Found {
    let mut found = Found::default();
    if request.headers().contains_key(AUTHORIZATION) {
        found.member = Some(told(buyer(request).await));
    }
    if request.headers().contains_key(PUBLISHABLE_KEY) {
        found.store = Some(told(store(request).await));
    }
    found
}

fn told<T>(result: Result<T, Error>) -> Result<T, Box<Problem>> {
    result.map_err(|error| Box::new(problem(error)))
}

async fn buyer(request: &HttpRequest) -> Result<Buyer, Error> {
    let claims = bearer::claims(request, Audience::Storefront)?;
    let Holder::Member(id) = claims.sub else {
        return Err(bearer::invalid());
    };
    let session = SessionId(claims.jti);
    let conn = bearer::app(request)?.db().await?;
    let terms = match claims.outside {
        None => db::session::member_of(claims.store, session, id, &conn).await?,
        // Whom the token is of was looked up just now.
        Some(_) => db::store::terms(claims.store, id, &conn).await?,
    };
    let terms = terms.ok_or_else(bearer::invalid)?;
    if !terms.member.status.may_log_in() {
        return Err(Code::MemberNotActive.because(text!("store-has-shut-this-account-out")));
    }
    Ok(Buyer {
        store: claims.store,
        terms: Rc::new(terms),
        session: claims.outside.is_none().then_some(session),
    })
}

async fn store(request: &HttpRequest) -> Result<Store, Error> {
    let unknown = || {
        Code::TokenInvalid.because(text!(
            "no-store-has-this-key",
            publishable_key = PUBLISHABLE_KEY
        ))
    };
    let header = request.headers().get(PUBLISHABLE_KEY).or_not_found()?;
    let key = header.to_str().map_err(|_| unknown())?;
    let conn = bearer::app(request)?.db().await?;
    let store = db::store::find_by_publishable_key(key, &conn)
        .await?
        .ok_or_else(unknown)?;
    drop(conn);
    db::share::belongs_to(store.store_id);
    Ok(store)
}

/// Implements the pick-up of a principal, and says who passes for one.
macro_rules! principal {
    ($name:ident, $pick:ident, $access:ident $(($scope:expr))?, stranger: $stranger:expr) => {
        impl Principal for $name {
            const ACCESS: Access = Access::$access $(($scope))?;
        }

        impl FromRequest for $name {
            type Error = Error;
            type Future = Ready<Result<Self, Error>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let outside = || anyhow::anyhow!("this route is outside the storefront API").into();
                let found = request
                    .extensions()
                    .get::<Found>()
                    .ok_or_else(outside)
                    .and_then(Found::$pick);
                ready(found.and_then(|found| admit(request, $stranger(&found)).map(|()| found)))
            }
        }
    };
}

principal!(Buyer, buyer, Token(None), stranger: |_: &Buyer| false);
principal!(Visitor, visitor, PublishableKey, stranger: |_: &Visitor| true);
principal!(Shopper, shopper, KeyOrToken, stranger: |shopper: &Shopper| shopper.member.is_none());
