//! A member and Paid, as the member may see it: no codes and no details of the screening. A refused application looks
//! like one under way.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::app::App;
use crate::db::member::Member;
use crate::db::paid_settings::{self, PaidSettings};
use crate::domain::application::{ApplicationStatus, BuyerState};
use crate::error::Error;
use crate::http::auth::Buyer;
use crate::http::once::{Begun, Once};
use crate::http::operation::operations;
use crate::texts::{self, Text};
use crate::workflows::context::Context;
use crate::workflows::{application, checkout, member};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, get_my_paid, apply_for_paid, use_paid_link);
}

/// Where the member stands with Paid.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = MyPaid)]
struct MyPaidOut {
    /// 利用状況: where the wish to buy on account stands.
    state: BuyerState,
    /// May the member buy on account now?
    #[schema(example = false)]
    can_pay: bool,
    /// Would a wish to buy on account be taken?
    #[schema(example = true)]
    can_apply: bool,
    /// バナー: for a member who has an account at Paid already.
    banner: BannerOut,
    /// For the member, in the language asked for.
    #[schema(example = "Paid（掛け払い）はまだお申し込みいただいていません。")]
    #[serde(serialize_with = "texts::for_the_reader")]
    #[schema(value_type = String)]
    message: Text,
}

/// The banner for buyers who are Paid members already.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = PaidBanner)]
struct BannerOut {
    /// Is the banner to be shown?
    #[schema(example = true)]
    visible: bool,
    /// Where the member links himself on Paid's side; `null` until it is known, at the latest after
    /// `POST /v1/storefront/me/paid/link`.
    #[schema(example = json!(null))]
    url: Option<String>,
}

impl MyPaidOut {
    fn new(app: &App, settings: &PaidSettings, member: &Member) -> Self {
        let state = state(member);
        let status = member.application.status;
        let able = checkout::hindrances(settings, member, &[]).is_empty();
        let may_wish = status != ApplicationStatus::Pending
            && status.may_be_set_by_hand(ApplicationStatus::Pending);
        Self {
            state,
            can_pay: able && status == ApplicationStatus::ApprovedActive,
            can_apply: settings.enabled && may_wish && member.may_tick_paid(),
            banner: banner(app, settings, member),
            message: message(state, settings.enabled),
        }
    }
}

/// Whoever used the banner is on his way, though no application was made here.
fn state(member: &Member) -> BuyerState {
    let state = member.application.status.for_buyer();
    if state == BuyerState::None && member.link_used_at.is_some() {
        BuyerState::Applied
    } else {
        state
    }
}

fn banner(app: &App, settings: &PaidSettings, member: &Member) -> BannerOut {
    let not_linked = matches!(
        member.application.status,
        ApplicationStatus::None | ApplicationStatus::Pending
    );
    let visible =
        settings.enabled && settings.show_member_banner && not_linked && member.may_tick_paid();
    let url = app
        .config
        .paid_link_url
        .as_deref()
        .filter(|_| visible)
        .and_then(|template| {
            let merchant = settings.merchant_id.as_deref().unwrap_or_default();
            let merchant: String =
                url::form_urlencoded::byte_serialize(merchant.as_bytes()).collect();
            let url = template.replace("{merchant_id}", &merchant);
            match &member.customer_number {
                Some(key) => Some(url.replace("{b2b_member_id}", key.as_str())),
                None => Some(url).filter(|url| !url.contains("{b2b_member_id}")),
            }
        });
    BannerOut { visible, url }
}

fn message(state: BuyerState, enabled: bool) -> Text {
    match state {
        _ if !enabled => text!("paid-is-not-offered-at-present"),
        BuyerState::None => text!("you-have-not-applied-for-paid-yet"),
        BuyerState::Applied => text!("your-application-for-paid-is-under-way"),
        BuyerState::Available => text!("you-may-pay-with-paid"),
        BuyerState::Unavailable => text!("you-cannot-pay-with-paid"),
    }
}

async fn show(app: &App, member: &Member) -> Result<MyPaidOut, Error> {
    let settings = paid_settings::find(member.store_id, &*app.db().await?).await?;
    Ok(MyPaidOut::new(app, &settings, member))
}

/// Read where one stands with Paid (Paid利用状況)
#[utoipa::path(
    get,
    path = "/me/paid",
    tag = "me",
    responses((status = 200, description = "State and possibilities", body = MyPaidOut))
)]
async fn get_my_paid(buyer: Buyer, app: Data<App>) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(show(&app, buyer.member()).await?))
}

/// Wish to pay with Paid (Paid利用の申し込み)
///
/// The store then submits the application. What Paid asks for must be in the profile; every field that is missing is
/// named.
#[utoipa::path(
    post,
    path = "/me/paid/application",
    tag = "me",
    responses(
        (status = 200, description = "Noted", body = MyPaidOut),
        (status = 409, description = "`paid_disabled`; `application_status_owned_by_paid`: applied already; \
            `paid_not_ticked`: only the store may tick Paid again"),
        (status = 422, description = "`invalid`: `errors` names what Paid needs in the profile"),
    )
)]
async fn apply_for_paid(buyer: Buyer, once: Once, app: Data<App>) -> Result<HttpResponse, Error> {
    let (ticket, ()) = match once
        .begin(async |made| member::resume(&app, buyer.store, made).await)
        .await?
    {
        Begun::Resumed(member) => return noted(&app, &member).await,
        Begun::Fresh(fresh) => fresh,
    };
    let member = application::wish(
        &app,
        buyer.member().id,
        &Context::unconditional(buyer.store, &buyer.actor(), &ticket),
    )
    .await?;
    noted(&app, &member).await
}

async fn noted(app: &App, member: &Member) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(show(app, member).await?))
}

/// Use the banner for those who are Paid members already (Paid連携)
///
/// Gives the address where the member links himself on Paid's side. The store sees the result at its next refresh.
#[utoipa::path(
    post,
    path = "/me/paid/link",
    tag = "me",
    responses(
        (status = 202, description = "Go on at `banner.url`", body = MyPaidOut),
        (status = 409, description = "`banner_disabled`, `paid_disabled`, `paid_not_ticked`"),
    )
)]
async fn use_paid_link(buyer: Buyer, once: Once, app: Data<App>) -> Result<HttpResponse, Error> {
    let (ticket, ()) = match once
        .begin(async |made| member::resume(&app, buyer.store, made).await)
        .await?
    {
        Begun::Resumed(member) => return go_on(&app, &member).await,
        Begun::Fresh(fresh) => fresh,
    };
    let member = application::link(
        &app,
        buyer.member().id,
        &Context::unconditional(buyer.store, &buyer.actor(), &ticket),
    )
    .await?;
    go_on(&app, &member).await
}

async fn go_on(app: &App, member: &Member) -> Result<HttpResponse, Error> {
    let location = ("Location", "/v1/storefront/me/paid");
    Ok(HttpResponse::Accepted()
        .insert_header(location)
        .json(show(app, member).await?))
}
