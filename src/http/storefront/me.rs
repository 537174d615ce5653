//! A member's own profile.

use crate::http::operation::Registry;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::app::App;
use crate::db::member::Member;
use crate::domain::MemberId;
use crate::domain::member::{MemberStatus, PaymentMethod, Profile};
use crate::error::Error;
use crate::http::auth::Buyer;
use crate::http::body::{Patch, from_value};
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::limits::{Account, Limits, Realm, address};
use crate::http::once::Ticket;
use crate::http::operation::operations;
use crate::http::patch::{merge_patch, split, two_halves};
use crate::workflows::context::Context;
use crate::workflows::member::{self, OwnProof};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, get_me, update_me);
}

/// A member as the member may see it.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Me)]
pub struct MeOut {
    /// The id of the member.
    id: MemberId,
    /// 会員番号: the number that the shop uses.
    #[schema(example = "M000007")]
    number: String,
    /// 会員ステータス: only `active` members may order.
    status: MemberStatus,
    #[serde(flatten)]
    profile: Profile,
    /// 決済方法: those that the store offers to this member.
    payment_methods: Vec<PaymentMethod>,
    /// 登録日時: when the member registered, in UTC.
    #[schema(example = "2026-11-02T01:23:45Z")]
    created_at: DateTime<Utc>,
    /// When it was last changed (更新日時), in UTC.
    #[schema(example = "2026-11-24T02:10:00Z")]
    updated_at: DateTime<Utc>,
}

impl From<Member> for MeOut {
    fn from(member: Member) -> Self {
        Self {
            id: member.id,
            number: member.number,
            status: member.status,
            profile: member.profile.0,
            payment_methods: member.payment_methods,
            created_at: member.created_at,
            updated_at: member.updated_at,
        }
    }
}

/// Read the own profile (会員情報)
#[utoipa::path(
    get,
    path = "/me",
    tag = "me",
    responses((status = 200, description = "The profile", body = MeOut))
)]
async fn get_me(buyer: Buyer) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().versioned(buyer.member().version, MeOut::from(buyer.member().clone())))
}

/// The password, where the e-mail address is to change.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct OwnIn {
    /// 現在のパスワード: needed to change `email`.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only, example = "correct horse battery")]
    current_password: Option<SecretString>,
}

two_halves! {
    /// A change of the own profile.
    #[schema(as = MePatch, example = json!({ "phone": "045-000-1234" }))]
    MePatch: Profile, OwnIn
}

/// Change the own profile (会員情報の変更)
///
/// What is absent stays, and `null` empties a field.
/// Another `email` needs `current_password`, as it is what one logs in with. It ends every other session of the member.
#[utoipa::path(
    patch,
    path = "/me",
    tag = "me",
    request_body = MePatch,
    responses(
        (status = 200, description = "Changed", body = MeOut),
        (status = 409, description = "`email_taken`"),
    )
)]
async fn update_me(
    buyer: Buyer,
    request: HttpRequest,
    if_match: IfMatch,
    body: Patch<Value>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    let (patch, own) = split(body.0, &["current_password"])?;
    let own: OwnIn = from_value(own)?;
    let shown = OwnProof {
        session: buyer.session,
        password: own.current_password.is_some(),
    };
    if let Some(password) = own.current_password {
        let account = Account::claimed(&buyer.store.to_string(), &buyer.member().profile.0.email)?;
        let check =
            member::confirm_password(&app, buyer.member(), password.expose_secret().to_owned());
        limits
            .log_in(
                Realm::Buyers,
                &account,
                address(&request, &app.config),
                check,
            )
            .await?;
    }
    let (actor, ticket) = (buyer.actor(), Ticket::none());
    let context = Context {
        precondition: &if_match.0,
        ..Context::unconditional(buyer.store, &actor, &ticket)
    };
    let wanted = |profile: &Profile| merge_patch(profile, patch);
    let member = member::change_own(&app, buyer.member().id, shown, &context, wanted).await?;
    Ok(HttpResponse::Ok().versioned(member.version, MeOut::from(member)))
}
