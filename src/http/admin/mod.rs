//! The admin API: the shop's staff and its partners. One line per resource.

mod events;
mod order_out;
pub(super) mod orders;
mod payments;
mod products;
mod reconciliation;
mod sessions;

use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use utoipa_actix_web::OpenApiFactory;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{auth, idempotency};

/// Everything below `/v1/admin`.
pub fn scope() -> impl HttpServiceFactory + OpenApiFactory + 'static {
    utoipa_actix_web::scope("/v1/admin")
        .wrap(from_fn(idempotency::once))
        .wrap(from_fn(auth::admin_credentials))
        .configure(resources)
}

fn resources(config: &mut ServiceConfig<'_>) {
    sessions::routes(config);
    products::routes(config);
    orders::routes(config);
    payments::routes(config);
    reconciliation::routes(config);
    events::routes(config);
}
