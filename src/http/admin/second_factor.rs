//! One's second factor: an app that shows codes, and recovery codes for whoever has lost it.

use actix_web::HttpResponse;
use actix_web::web::Data;
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::App;
use crate::error::Error;
use crate::http::auth::{Admin, AnyScope};
use crate::http::body::Body;
use crate::http::once::AnswerKept;
use crate::http::operation::{Registry, operations};
use crate::workflows::second_factor;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, start_totp, confirm_totp, remove_totp);
}

/// What an app is set up with.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = TotpSetup)]
struct SetupOut {
    /// To be typed into the app.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    secret: String,
    /// The same as an address, to be shown as a QR code.
    #[schema(
        example = "otpauth://totp/minato:hanako%40minato.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=minato"
    )]
    otpauth_url: String,
}

/// A code of the app.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct TotpCodeIn {
    /// 認証コード: the six digits that the app shows.
    #[schema(value_type = String, example = "287082")]
    code: SecretString,
}

/// For whoever loses the app.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct RecoveryCodesOut {
    /// Each is good once, in the place of a code of the app. Shown here and never again.
    #[schema(example = json!(["MFRG-GZDF-MZTW-Q2LK"]))]
    recovery_codes: Vec<String>,
}

/// Begin to set up a second factor (二段階認証の設定)
///
/// Nothing is asked for until a code of the app is shown to `…/totp/confirm`. Begun anew, what was begun before is forgotten.
#[utoipa::path(
    post,
    path = "/me/totp",
    tag = "sessions",
    responses(
        (status = 200, description = "What the app is set up with, shown once", body = SetupOut),
        (status = 403, description = "`step_up_required`"),
        (status = 409, description = "`action_not_allowed`: there is one already, or the token is none of the staff's"),
    )
)]
async fn start_totp(
    admin: Admin<AnyScope>,
    _: AnswerKept,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (user, _) = admin.user()?;
    admin.require_proof()?;
    let setup = second_factor::start(&app, admin.store, user).await?;
    Ok(HttpResponse::Ok().json(SetupOut {
        secret: setup.secret,
        otpauth_url: setup.url,
    }))
}

/// Put a second factor in force (二段階認証の有効化)
///
/// From the next log-in on a code is asked for beside the password. One that is shown here may be shown at a log-in as well.
#[utoipa::path(
    post,
    path = "/me/totp/confirm",
    tag = "sessions",
    request_body = TotpCodeIn,
    responses(
        (status = 200, description = "In force, with recovery codes, shown once", body = RecoveryCodesOut),
        (status = 403, description = "`step_up_required`"),
        (status = 409, description = "`action_not_allowed`: nothing was begun, or the token is none of the staff's"),
    )
)]
async fn confirm_totp(
    admin: Admin<AnyScope>,
    body: AnswerKept<Body<TotpCodeIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ((user, _), AnswerKept(Body(TotpCodeIn { code }))) = (admin.user()?, body);
    admin.require_proof()?;
    let code = code.expose_secret();
    let recovery_codes = second_factor::confirm(&app, admin.store, user, code).await?;
    Ok(HttpResponse::Ok().json(RecoveryCodesOut { recovery_codes }))
}

/// Remove one's second factor (二段階認証の解除)
#[utoipa::path(
    delete,
    path = "/me/totp",
    tag = "sessions",
    responses(
        (status = 204, description = "Removed"),
        (status = 403, description = "`step_up_required`"),
        (status = 409, description = "`action_not_allowed`: the token is none of the staff's"),
    )
)]
async fn remove_totp(admin: Admin<AnyScope>, app: Data<App>) -> Result<HttpResponse, Error> {
    let (user, _) = admin.user()?;
    admin.require_proof()?;
    second_factor::remove(&app, admin.store, user).await?;
    Ok(HttpResponse::NoContent().finish())
}
