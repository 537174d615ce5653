//! The admin API: the shop's staff and its partners. One line per resource.

mod bulk;
mod bulk_payments;
mod event_stream;
mod events;
mod job_stream;
mod jobs;
mod member_actions;
mod member_applications;
mod member_files;
mod member_out;
mod members;
mod order_out;
mod orders;
mod payments;
mod products;
mod reconciliation;
mod sessions;
mod settings;
mod summary;

use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use utoipa_actix_web::OpenApiFactory;
use utoipa_actix_web::service_config::ServiceConfig;

pub use bulk::{MOST_IDS, OLDER_THAN_MINUTES};

use super::asked::ADMIN;
use super::{auth, limits};
use crate::tokens::Audience;

/// Everything below `/v1/admin`.
pub fn scope() -> impl HttpServiceFactory + OpenApiFactory + 'static {
    utoipa_actix_web::scope(ADMIN)
        .app_data(Audience::Admin)
        .wrap(from_fn(auth::admin_credentials))
        .wrap(from_fn(limits::every_call))
        .configure(resources)
}

fn resources(config: &mut ServiceConfig<'_>) {
    sessions::routes(config);
    products::routes(config);
    bulk_payments::routes(config);
    orders::routes(config);
    payments::routes(config);
    reconciliation::routes(config);
    summary::routes(config);
    events::routes(config);
    event_stream::routes(config);
    settings::routes(config);
    // Before the members, whose ids stand where the names of bulk calls stand.
    bulk::routes(config);
    member_files::routes(config);
    members::routes(config);
    member_actions::routes(config);
    member_applications::routes(config);
    jobs::routes(config);
    job_stream::routes(config);
}
