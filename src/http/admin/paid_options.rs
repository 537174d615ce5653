//! What a screen of payment settings can offer, and what a choice would mean.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::app::App;
use crate::db::{paid_settings, store};
use crate::domain::application::{ApplicationStatus, Pattern, ToPaid, WayIn, way_to_paid};
use crate::domain::member::{MemberStatus, PaymentMethod};
use crate::domain::store::{Environment, MemberApproval};
use crate::error::{Error, OrNotFound};
use crate::http::auth::Admin;
use crate::http::auth::scopes::SettingsRead;
use crate::http::body::Body;
use crate::http::once::AnswerKept;
use crate::http::operation::operations;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, get_capabilities, simulate_pattern);
}

/// What the operator has set up, so what a screen can offer.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = PaidCapabilities)]
struct CapabilitiesOut {
    /// Which of Paid's environments a store may be set to (環境).
    environments: Vec<Environment>,
    /// Can the amount of a sale be changed at Paid (金額変更)? Without it `update_paid_amount: true` is a 501.
    change_amount: bool,
    /// Can Paid be asked how a sale stands (決済状態更新)? Without it refreshing a payment is a 501.
    inquiry: bool,
    /// May a payment be confirmed with another date than today (売上確定日)? Without it such a `fixed_on` is a 501.
    fixed_on: bool,
    /// Is there an address behind the banner for members of Paid (Paid会員向けバナー)?
    banner: bool,
}

/// Read what can be offered around Paid (Paidの対応機能)
///
/// These are the operator's choices for the whole service. What is assumed about Paid may be switched off there.
#[utoipa::path(
    get,
    path = "/settings/paid/capabilities",
    tag = "settings",
    responses((status = 200, description = "What can be offered", body = CapabilitiesOut))
)]
async fn get_capabilities(
    _admin: Admin<SettingsRead>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let config = &app.config;
    let environments = Environment::ALL.iter().copied();
    Ok(HttpResponse::Ok().json(CapabilitiesOut {
        environments: environments
            .filter(|environment| config.paid_url(*environment).is_some())
            .collect(),
        change_amount: config.paid.capabilities.change_amount,
        inquiry: config.paid.capabilities.inquiry,
        fixed_on: config.paid.fix_date,
        banner: config.paid_link_url.is_some(),
    }))
}

/// Settings to be tried, and how somebody comes to Paid. What is absent is as the store has it.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SimulationIn)]
struct SimulationIn {
    way_in: WayIn,
    /// Is Paid enabled (Paid決済の利用)?
    enabled: Option<bool>,
    /// 会員承認: does a new member become active by itself?
    member_approval: Option<MemberApproval>,
    /// Is Paid ticked on every new member (新規会員の初期設定)?
    enable_for_new_members: Option<bool>,
}

/// What would happen.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Simulation)]
struct SimulationOut {
    /// The pattern that the settings make; `null` where Paid is disabled.
    pattern: Option<Pattern>,
    /// How the application gets to Paid; `null` where none is made.
    operation: Option<ToPaid>,
    /// How the member is right afterwards.
    next_state: NextStateOut,
}

/// A member right afterwards.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = NextState)]
struct NextStateOut {
    /// 会員ステータス; `null` where it stays as it is.
    member_status: Option<MemberStatus>,
    /// 決済方法: those of a new member; of a present one `paid` is added to its own.
    payment_methods: Vec<PaymentMethod>,
    /// Paid申請.
    application_status: ApplicationStatus,
    /// Paid申請, once the operation was done and Paid has taken the application.
    once_submitted: ApplicationStatus,
}

/// Try what settings would mean (パターンシミュレーション)
///
/// Nothing is changed. Four patterns follow from two settings; with the way in they tell who submits the application, and
/// how the member stands until then.
#[utoipa::path(
    post,
    path = "/settings/paid/simulate",
    tag = "settings",
    request_body = SimulationIn,
    responses(
        (status = 200, description = "What would happen", body = SimulationOut),
        (status = 409, description = "`paid_disabled`: a wish of a member is refused then"),
    )
)]
async fn simulate_pattern(
    admin: Admin<SettingsRead>,
    body: AnswerKept<Body<SimulationIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let Body(wanted) = body.0;
    let conn = &*app.db().await?;
    let settings = paid_settings::find(admin.store, conn).await?;
    let store = store::find(admin.store, conn).await?.or_not_found()?;
    let approval = wanted.member_approval.unwrap_or(store.member_approval);
    let for_new = wanted
        .enable_for_new_members
        .unwrap_or(settings.enable_for_new_members);
    let enabled = wanted.enabled.unwrap_or(settings.enabled);
    let pattern = enabled.then(|| Pattern::of(approval, for_new));
    let expected = way_to_paid(approval, pattern, wanted.way_in)
        .ok_or_else(crate::workflows::application::paid_disabled)?;
    let once_submitted = match expected.operation {
        Some(_) => ApplicationStatus::Submitted,
        None => expected.application_status,
    };
    Ok(HttpResponse::Ok().json(SimulationOut {
        pattern,
        operation: expected.operation,
        next_state: NextStateOut {
            member_status: expected.member_status,
            payment_methods: expected.payment_methods,
            application_status: expected.application_status,
            once_submitted,
        },
    }))
}
