//! The storefront API: visitors and members. One line per resource.

mod config;
mod me;
mod me_paid;
mod members;
mod orders;
mod password;
mod payment_methods;
mod products;
mod sessions;

use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use utoipa_actix_web::OpenApiFactory;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{auth, limits};
use crate::tokens::Audience;

/// Everything below `/v1/storefront`.
pub fn scope() -> impl HttpServiceFactory + OpenApiFactory + 'static {
    utoipa_actix_web::scope("/v1/storefront")
        .app_data(Audience::Storefront)
        .wrap(from_fn(auth::storefront_credentials))
        .wrap(from_fn(limits::every_call))
        .configure(resources)
}

fn resources(config: &mut ServiceConfig<'_>) {
    self::config::routes(config);
    members::routes(config);
    me::routes(config);
    me_paid::routes(config);
    sessions::routes(config);
    password::routes(config);
    products::routes(config);
    payment_methods::routes(config);
    orders::routes(config);
}
