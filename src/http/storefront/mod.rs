//! The storefront API: visitors and members. One line per resource.

mod config;
mod email_verifications;
mod me;
mod me_paid;
mod members;
mod orders;
mod password;
mod payment_methods;
mod products;
mod sessions;

use crate::http::operation::Registry;
use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use actix_web::web;
use utoipa_actix_web::OpenApiFactory;

use super::{auth, limits};
use crate::tokens::Audience;

/// Everything below `/v1/storefront`.
pub fn scope() -> impl HttpServiceFactory + 'static {
    web::scope("/v1/storefront")
        .app_data(Audience::Storefront)
        .wrap(from_fn(auth::storefront_credentials))
        .wrap(from_fn(limits::every_call))
        .configure(|config| resources(&mut Registry::Service(config)))
}

/// The same, to be described.
pub fn described() -> impl HttpServiceFactory + OpenApiFactory + 'static {
    utoipa_actix_web::scope("/v1/storefront")
        .configure(|config| resources(&mut Registry::Document(config)))
}

fn resources(registry: &mut Registry<'_, '_>) {
    self::config::routes(registry);
    members::routes(registry);
    email_verifications::routes(registry);
    me::routes(registry);
    me_paid::routes(registry);
    sessions::routes(registry);
    password::routes(registry);
    products::routes(registry);
    payment_methods::routes(registry);
    orders::routes(registry);
}
