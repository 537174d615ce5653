//! Who calls. A handler names its principal in its signature, and gets no store without one.
//!
//! Credentials are looked at once, before anything else of the request is read; the principals then pick up what was
//! found. So a stranger learns nothing but that he is one.

mod admin;
mod bearer;
pub mod login;
mod storefront;

use actix_web::HttpMessage as _;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

pub use admin::{Admin, AnyScope, Permission, Standing, scopes};
pub(super) use bearer::app;
pub use storefront::{Buyer, Shopper, Visitor};

use crate::db::share;
use crate::domain::StoreId;

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
        let found = admin::look(request.request()).await;
        request.extensions_mut().insert(found);
        next.call(request).await.map(ServiceResponse::map_into_boxed_body)
    })
    .await
}

/// Looks at the credentials of a request to the storefront API.
pub async fn storefront_credentials(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    share::for_request(async {
        let found = storefront::look(request.request()).await;
        request.extensions_mut().insert(found);
        next.call(request).await.map(ServiceResponse::map_into_boxed_body)
    })
    .await
}

/// What the request's token says, if it is one of ours and still good; whatever it is for.
pub(super) fn claims(request: &actix_web::HttpRequest) -> Option<std::sync::Arc<crate::tokens::Claims>> {
    bearer::token(request).ok()??.ok()
}

/// Whoever the credentials stand for, if they are good.
pub(super) fn caller(request: &ServiceRequest) -> Option<Caller> {
    let extensions = request.extensions();
    extensions.get().and_then(admin::Found::caller).or_else(|| extensions.get().and_then(storefront::Found::caller))
}

/// The scopes that the handler asked for, to be asked for again before its answer is given to a repeated request.
pub(super) fn scopes_used(request: &actix_web::HttpRequest) -> Vec<crate::domain::permissions::Scope> {
    request.extensions().get().map(admin::Found::scopes_used).unwrap_or_default()
}

/// Does the caller hold all of these? A caller of the storefront needs none.
pub(super) fn holds(
    request: &ServiceRequest,
    scopes: &[crate::domain::permissions::Scope],
) -> Result<(), crate::error::Error> {
    request.extensions().get().map_or(Ok(()), |found: &admin::Found| found.require_all(scopes))
}
