//! The admin API: the shop's staff and its partners. One line per resource.

mod bulk;
mod bulk_payments;
mod clients;
mod dry_run;
mod event_stream;
mod events;
mod issuers;
mod job_stream;
mod jobs;
mod me;
mod member_actions;
mod member_applications;
mod member_files;
mod member_out;
mod members;
mod order_files;
mod order_out;
mod orders;
mod overlap;
mod paid_options;
mod payments;
mod product_files;
mod products;
mod reconciliation;
mod second_factor;
mod sessions;
mod settings;
mod summary;
mod tell;
mod users;
mod webhook_deliveries;
mod webhooks;

use crate::http::operation::Registry;
use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use actix_web::web;
use utoipa_actix_web::OpenApiFactory;

pub use tell::tell;

pub use bulk::{MOST_IDS, OLDER_THAN_MINUTES};

use super::asked::ADMIN;
use super::{auth, limits};
use crate::tokens::Audience;

/// Everything below `/v1/admin`.
pub fn scope() -> impl HttpServiceFactory + 'static {
    web::scope(ADMIN)
        .app_data(Audience::Admin)
        .wrap(from_fn(auth::admin_credentials))
        .wrap(from_fn(limits::every_call))
        .configure(|config| resources(&mut Registry::Service(config)))
}

/// The same, to be described.
pub fn described() -> impl HttpServiceFactory + OpenApiFactory + 'static {
    utoipa_actix_web::scope(ADMIN).configure(|config| resources(&mut Registry::Document(config)))
}

fn resources(registry: &mut Registry<'_, '_>) {
    sessions::routes(registry);
    me::routes(registry);
    second_factor::routes(registry);
    users::routes(registry);
    clients::routes(registry);
    webhooks::routes(registry);
    webhook_deliveries::routes(registry);
    product_files::routes(registry);
    products::routes(registry);
    bulk_payments::routes(registry);
    // Before the orders, whose ids stand where its name stands.
    order_files::routes(registry);
    orders::routes(registry);
    payments::routes(registry);
    reconciliation::routes(registry);
    summary::routes(registry);
    events::routes(registry);
    event_stream::routes(registry);
    settings::routes(registry);
    paid_options::routes(registry);
    issuers::routes(registry);
    // Before the members, whose ids stand where the names of bulk calls stand.
    bulk::routes(registry);
    member_files::routes(registry);
    members::routes(registry);
    member_actions::routes(registry);
    member_applications::routes(registry);
    jobs::routes(registry);
    job_stream::routes(registry);
}
