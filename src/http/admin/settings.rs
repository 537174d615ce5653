//! Settings: payment settings (決済設定) and the store's own options.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::Value;

use crate::app::App;
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::store::{self, Store, StoreOptions};
use crate::domain::application::Pattern;
use crate::domain::store::{Environment, Health, MemberApproval, TaxRounding};
use crate::error::{Error, OrNotFound};
use crate::http::auth::Admin;
use crate::http::auth::scopes::{SettingsRead, SettingsWrite};
use crate::http::body::{Patch, from_value};
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::limits::Limits;
use crate::http::once::AnswerKept;
use crate::http::operation::operations;
use crate::http::patch::{Rules, both, merge_patch, split, two_halves};
use crate::workflows::settings::{self, PaidChange, Tested};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        get_paid_settings,
        put_paid_settings,
        test_paid_settings,
        get_store_settings,
        put_store_settings
    );
}

/// The payment settings.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = PaidSettings)]
struct PaidSettingsOut {
    /// The store's id at Paid (加盟企業).
    #[schema(example = "10042")]
    merchant_id: Option<String>,
    /// API認証コード: whether one is stored; it is never shown.
    api_auth_code: AuthCodeOut,
    /// 環境: which Paid the store talks to.
    environment: Environment,
    /// Is Paid offered? Switched off, no new orders and applications; what is open still ends.
    #[schema(example = true)]
    enabled: bool,
    /// 新規会員の決済を有効にする: Paid is ticked on every new member.
    #[schema(example = false)]
    enable_for_new_members: bool,
    /// サイドメニューに表示する: the storefront shows a banner to buyers who are Paid members already.
    #[schema(example = true)]
    show_member_banner: bool,
    /// パターン: what follows from these settings and the store's approval (会員承認); `null` while Paid is disabled.
    pattern: Option<Pattern>,
    /// 接続状態: what the last call to Paid said about the credentials.
    health: HealthOut,
    /// When it was last changed (更新日時), in UTC.
    #[schema(example = "2026-11-24T01:23:45Z")]
    updated_at: DateTime<Utc>,
}

/// The auth code, as far as it is ever shown.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = AuthCode)]
struct AuthCodeOut {
    /// Is one stored?
    #[schema(example = true)]
    set: bool,
    /// Its last characters, fewer of a short one.
    #[schema(example = "x7Qd")]
    last4: Option<String>,
}

/// What the last call said about the credentials.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = PaidHealth)]
struct HealthOut {
    /// 接続状態: what was said about the credentials.
    status: Health,
    /// Since when it says so, in UTC; `null` before the first call.
    #[schema(example = "2026-11-24T01:23:45Z")]
    checked_at: Option<DateTime<Utc>>,
}

/// The payment settings as they are to be; what is absent stays.
#[derive(Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PaidSettingsIn)]
struct PaidSettingsIn {
    /// The store's id at Paid (加盟企業).
    #[schema(example = "10042", max_length = 50)]
    #[serde(default)]
    merchant_id: Option<String>,
    /// 環境: which Paid the store talks to.
    environment: Environment,
    /// Is Paid offered? Switched off, no new orders and applications; what is open still ends.
    #[schema(example = true)]
    enabled: bool,
    /// 新規会員の決済を有効にする: Paid is ticked on every new member.
    #[schema(example = false)]
    enable_for_new_members: bool,
    /// サイドメニューに表示する: the storefront shows a banner to buyers who are Paid members already.
    #[schema(example = true)]
    show_member_banner: bool,
}

/// The secret part of the settings: written, never read.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct AuthCodeIn {
    /// API認証コード: a new one, from Paid. Absent: the stored one stays.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only, min_length = 8, max_length = 200, example = "0a1B2c3D4e5F6g7H")]
    api_auth_code: Option<SecretString>,
}

two_halves! {
    /// The payment settings, and the secret that is never read back.
    #[schema(as = PaidSettingsPatch, example = json!({
        "merchant_id": "10042", "api_auth_code": "0a1B2c3D4e5F6g7H", "environment": "sandbox", "enabled": true,
        "enable_for_new_members": false, "show_member_banner": true
    }))]
    PaidSettingsPut: PaidSettingsIn, AuthCodeIn
}

impl From<&PaidSettings> for PaidSettingsIn {
    fn from(settings: &PaidSettings) -> Self {
        Self {
            merchant_id: settings.merchant_id.clone(),
            environment: settings.environment,
            enabled: settings.enabled,
            enable_for_new_members: settings.enable_for_new_members,
            show_member_banner: settings.show_member_banner,
        }
    }
}

async fn show(app: &App, settings: PaidSettings) -> Result<HttpResponse, Error> {
    let store = store::find(settings.store_id, &*app.db().await?)
        .await?
        .or_not_found()?;
    let pattern = Pattern::of(store.member_approval, settings.enable_for_new_members);
    let out = PaidSettingsOut {
        merchant_id: settings.merchant_id,
        api_auth_code: AuthCodeOut {
            set: settings.auth_code_sealed.is_some(),
            last4: settings.auth_code_last4,
        },
        environment: settings.environment,
        enabled: settings.enabled,
        enable_for_new_members: settings.enable_for_new_members,
        show_member_banner: settings.show_member_banner,
        pattern: settings.enabled.then_some(pattern),
        health: HealthOut {
            status: settings.health,
            checked_at: settings.health_at,
        },
        updated_at: settings.updated_at,
    };
    Ok(HttpResponse::Ok().versioned(settings.version, out))
}

/// Read the payment settings (決済設定)
#[utoipa::path(
    get,
    path = "/settings/paid",
    tag = "settings",
    responses((status = 200, description = "The settings; the auth code is never shown", body = PaidSettingsOut))
)]
async fn get_paid_settings(
    admin: Admin<SettingsRead>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let settings = paid_settings::find(admin.store, &*app.db().await?).await?;
    show(&app, settings).await
}

/// Change the payment settings (決済設定)
///
/// Another `environment` or `merchant_id` is another account at Paid: nothing may be open, and every application begins
/// anew with a new key. A new auth code alone is always taken, and the next call uses it.
#[utoipa::path(
    put,
    path = "/settings/paid",
    tag = "settings",
    request_body = PaidSettingsPut,
    responses(
        (status = 200, description = "Changed", body = PaidSettingsOut),
        (status = 409, description = "`open_payments`: payments or submissions are open at the present account"),
        (status = 422, description = "`invalid`; `live_not_configured`: the operator has not set up this environment"),
    )
)]
async fn put_paid_settings(
    admin: Admin<SettingsWrite>,
    if_match: IfMatch,
    body: Patch<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let wanted = |before: &PaidSettings| {
        if_match.0.check(before.version)?;
        let (settings, secret) = halves(before, body.0)?;
        Ok(PaidChange {
            merchant_id: settings.merchant_id,
            api_auth_code: secret.api_auth_code,
            environment: settings.environment,
            enabled: settings.enabled,
            enable_for_new_members: settings.enable_for_new_members,
            show_member_banner: settings.show_member_banner,
        })
    };
    let settings = settings::change_paid(&app, admin.store, &admin.actor, wanted).await?;
    show(&app, settings).await
}

impl Rules for PaidSettingsIn {}
impl Rules for AuthCodeIn {}

/// What is absent stays, so the two halves are read over what is there.
fn halves(before: &PaidSettings, body: Value) -> Result<(PaidSettingsIn, AuthCodeIn), Error> {
    let (given, secret) = split(body, &["api_auth_code"])?;
    both(
        merge_patch(&PaidSettingsIn::from(before), given),
        from_value(secret),
    )
}

/// What a connection test found.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = ConnectionTest)]
struct TestOut {
    /// `ok`, `auth_failed` (the auth code is wrong) or `unreachable`.
    status: Health,
    /// Paid's codes; `C02` is the good answer to a question about a member who cannot exist.
    #[schema(example = json!(["C02"]))]
    codes: Vec<String>,
    /// When Paid was asked, in UTC.
    #[schema(example = "2026-11-24T01:23:45Z")]
    checked_at: DateTime<Utc>,
}

/// Test the connection to Paid
///
/// Asks for a member who cannot exist. At most five times a minute.
#[utoipa::path(
    post,
    path = "/settings/paid/test",
    tag = "settings",
    responses(
        (status = 200, description = "What was found", body = TestOut),
        (status = 409, description = "`paid_disabled`: there are no credentials yet"),
        (status = 429, description = "`rate_limited`"),
    )
)]
async fn test_paid_settings(
    admin: Admin<SettingsWrite>,
    _: AnswerKept,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    limits.connection_test(admin.store)?;
    let Tested { health, codes, at } = settings::test_connection(&app, admin.store).await?;
    Ok(HttpResponse::Ok().json(TestOut {
        status: health,
        codes: codes.into_vec(),
        checked_at: at,
    }))
}

/// The store's own options.
#[derive(Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StoreSettings)]
struct StoreSettings {
    /// 店舗名: the store's name as people see it.
    #[schema(example = "みなと商店")]
    name: String,
    /// 会員承認: does a new member become active by itself?
    member_approval: MemberApproval,
    /// 消費税の端数処理, once per rate and order; orders keep what held when they were placed.
    tax_rounding: TaxRounding,
    /// 適格請求書発行事業者の登録番号: `T` and 13 digits.
    #[serde(default)]
    #[schema(example = "T1234567890123", pattern = "^T[0-9]{13}$")]
    invoice_registration_number: Option<String>,
    /// Minutes between scheduled refreshes of application statuses, 15 to 10080; 0 is off.
    #[schema(example = 0)]
    status_refresh_minutes: i32,
    /// Days after which an unconfirmed payment shows in reconciliation.
    #[schema(example = 30)]
    unconfirmed_alert_days: i32,
    /// How many registrations an hour may send an application to Paid by themselves; the rest waits as `pending`.
    #[schema(example = 20)]
    applications_per_hour: i32,
    /// Must an owner log in with a second factor? Whoever has none can do nothing but set one up.
    require_second_factor: bool,
    /// Does an application that a registration sends by itself wait until the address is verified?
    require_email_verification: bool,
}

impl From<&Store> for StoreSettings {
    fn from(store: &Store) -> Self {
        Self {
            name: store.name.clone(),
            member_approval: store.member_approval,
            tax_rounding: store.tax_rounding,
            invoice_registration_number: store.invoice_registration_number.clone(),
            status_refresh_minutes: store.status_refresh_minutes,
            unconfirmed_alert_days: store.unconfirmed_alert_days,
            applications_per_hour: store.applications_per_hour,
            require_second_factor: store.require_second_factor,
            require_email_verification: store.require_email_verification,
        }
    }
}

/// Read the store's own options
#[utoipa::path(
    get,
    path = "/settings/store",
    tag = "settings",
    responses((status = 200, description = "The options", body = StoreSettings))
)]
async fn get_store_settings(
    admin: Admin<SettingsRead>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let store = store::find(admin.store, &*app.db().await?)
        .await?
        .or_not_found()?;
    Ok(HttpResponse::Ok().versioned(store.version, StoreSettings::from(&store)))
}

/// Change the store's own options; what is absent stays
#[utoipa::path(
    put,
    path = "/settings/store",
    tag = "settings",
    request_body = StoreSettings,
    responses((status = 200, description = "Changed", body = StoreSettings))
)]
async fn put_store_settings(
    admin: Admin<SettingsWrite>,
    if_match: IfMatch,
    body: Patch<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let wanted = |before: &Store| {
        if_match.0.check(before.version)?;
        let wanted = merge_patch(&StoreSettings::from(before), body.0)?;
        Ok(StoreOptions {
            name: wanted.name,
            member_approval: wanted.member_approval,
            tax_rounding: wanted.tax_rounding,
            invoice_registration_number: wanted.invoice_registration_number,
            status_refresh_minutes: wanted.status_refresh_minutes,
            unconfirmed_alert_days: wanted.unconfirmed_alert_days,
            applications_per_hour: wanted.applications_per_hour,
            require_second_factor: wanted.require_second_factor,
            require_email_verification: wanted.require_email_verification,
        })
    };
    let store = settings::change_store(&app, admin.store, &admin.actor, wanted).await?;
    Ok(HttpResponse::Ok().versioned(store.version, StoreSettings::from(&store)))
}
