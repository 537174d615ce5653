//! Who calls. A handler names its principal in its signature, and gets no store without one.
//!
//! Credentials are looked at once, before anything else of the request is read; the principals then pick up what was
//! found. So a stranger learns nothing but that he is one.
//!
//! Every handler's first argument is a principal; [`Stranger`] is the one that asks for nothing. What else a handler
//! takes from a request (body, query, path) asks for an `admission` before it reads a byte, so that it cannot stand
//! before the principal, and costs nothing where the principal refuses.

mod admin;
mod bearer;
mod extent;
pub mod refresh;
mod storefront;

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};

pub use admin::{Admin, AnyScope, Permission, Reading, Standing, scopes};
pub(super) use bearer::app;
pub use storefront::{Buyer, PUBLISHABLE_KEY, Shopper, Visitor};

use super::signature::{Access, Principal};
use super::{admission, query};
use crate::db::share;
use crate::domain::StoreId;
use crate::error::Error;
use crate::tokens::Audience;

/// Anybody: for calls that need no credentials, or have them in their body.
#[derive(Clone, Copy, Debug)]
pub struct Stranger;

impl FromRequest for Stranger {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(admit(request, true).map(|()| Self))
    }
}

impl Principal for Stranger {
    const ACCESS: Access = Access::Anybody;
}

/// Notes that the credentials are good enough. A call that takes no query parameters is given none.
fn admit(request: &HttpRequest, stranger: bool) -> Result<(), Error> {
    admission::note(request, stranger);
    query::refuse_undeclared(request)
}

/// Who made a request, for as long as answers are kept under a key.
#[derive(Clone)]
pub(super) struct Caller {
    /// The store.
    pub store: StoreId,
    /// `member:<id>`, `user:<id>` or `token:<subject>`; `None` for a visitor.
    pub name: Option<String>,
}

/// Looks at the credentials of a request to the admin API.
pub async fn admin_credentials(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    share::for_request(async {
        bearer::learn(request.request(), Audience::Admin).await;
        let found = admin::look(request.request()).await;
        request.extensions_mut().insert(found);
        next.call(request)
            .await
            .map(ServiceResponse::map_into_boxed_body)
    })
    .await
}

/// Answers a request whose credentials are in its body: once they are known, its connections count for its store.
pub async fn with_share(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    share::for_request(async {
        next.call(request)
            .await
            .map(ServiceResponse::map_into_boxed_body)
    })
    .await
}

/// Looks at the credentials of a request to the storefront API.
pub async fn storefront_credentials(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    share::for_request(async {
        bearer::learn(request.request(), Audience::Storefront).await;
        let found = storefront::look(request.request()).await;
        request.extensions_mut().insert(found);
        next.call(request)
            .await
            .map(ServiceResponse::map_into_boxed_body)
    })
    .await
}

/// What the request's token says, if it is one of ours and still good; whatever it is for.
pub(super) fn claims(
    request: &actix_web::HttpRequest,
) -> Option<std::sync::Arc<crate::tokens::Claims>> {
    bearer::token(request).ok()??.ok()
}

/// Looks again at a caller of the admin API. Whoever may do less than when his request began is refused.
pub(super) async fn look_again(request: &HttpRequest) -> Result<(), Error> {
    let found = request.extensions().get::<admin::Found>().cloned();
    match found {
        Some(found) => found.look_again(request).await,
        None => Ok(()),
    }
}

/// Whoever the credentials stand for, if they are good.
pub(super) fn caller(request: &ServiceRequest) -> Option<Caller> {
    let extensions = request.extensions();
    extensions
        .get()
        .and_then(admin::Found::caller)
        .or_else(|| extensions.get().and_then(storefront::Found::caller))
}

/// The scopes that the handler asked for, to be asked for again before its answer is given to a repeated request.
pub(super) fn scopes_used(request: &HttpRequest) -> Vec<crate::domain::permissions::Scope> {
    request
        .extensions()
        .get()
        .map(admin::Found::scopes_used)
        .unwrap_or_default()
}

/// Does the caller hold all of these? A caller of the storefront needs none.
pub(super) fn holds(
    request: &ServiceRequest,
    scopes: &[crate::domain::permissions::Scope],
) -> Result<(), Error> {
    request
        .extensions()
        .get()
        .map_or(Ok(()), |found: &admin::Found| found.require_all(scopes))
}
