//! What a shop's front end needs to know before anybody logs in.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::app::App;
use crate::db::paid_settings;
use crate::domain::application::default_methods;
use crate::domain::member::PaymentMethod;
use crate::error::Error;
use crate::http::auth::Visitor;
use crate::http::operation::operations;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, get_config);
}

/// What the store offers.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = StorefrontConfig)]
struct ConfigOut {
    /// 店舗名: the store's name as buyers see it.
    #[schema(example = "みなと商店")]
    store_name: String,
    /// Paid（掛け払い）: what the store offers of it.
    paid: PaidConfigOut,
    /// 決済方法 that the store offers; which of them a member may use is told after the login.
    payment_methods: Vec<PaymentMethod>,
}

/// What the store offers with Paid.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = StorefrontPaidConfig)]
struct PaidConfigOut {
    /// Can one buy on account here?
    #[schema(example = true)]
    enabled: bool,
    /// Show the banner to buyers who are Paid members already?
    #[schema(example = true)]
    show_member_banner: bool,
    /// May one wish to pay on account when registering (`wants_paid`)?
    #[schema(example = true)]
    application_at_registration: bool,
}

/// Read what the store offers (店舗情報)
#[utoipa::path(
    get,
    path = "/config",
    tag = "config",
    responses((status = 200, description = "What the store offers", body = ConfigOut))
)]
async fn get_config(visitor: Visitor, app: Data<App>) -> Result<HttpResponse, Error> {
    let settings = paid_settings::find(visitor.store.store_id, &*app.db().await?).await?;
    Ok(HttpResponse::Ok().json(ConfigOut {
        store_name: visitor.store.name,
        paid: PaidConfigOut {
            enabled: settings.enabled,
            show_member_banner: settings.enabled && settings.show_member_banner,
            application_at_registration: settings.enabled,
        },
        payment_methods: default_methods(settings.enabled),
    }))
}
