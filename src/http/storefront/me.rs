//! A member's own profile.

use actix_web::web::Data;
use actix_web::{HttpResponse, get, patch};
use chrono::{DateTime, Utc};
use serde_json::Value;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::App;
use crate::db::member::Member;
use crate::domain::MemberId;
use crate::domain::member::{MemberStatus, PaymentMethod, Profile};
use crate::error::Error;
use crate::http::auth::Buyer;
use crate::http::body::Body;
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::idempotency::Ticket;
use crate::http::patch::merge_patch;
use crate::operations::member::{self, Deed};

/// The routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_me).service(update_me);
}

/// A member as the member may see it.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Me)]
pub struct MeOut {
    id: MemberId,
    /// 会員番号.
    #[schema(example = "M000007")]
    number: String,
    /// Only `active` members may order.
    status: MemberStatus,
    #[serde(flatten)]
    profile: Profile,
    /// 決済方法 that the store offers to this member.
    payment_methods: Vec<PaymentMethod>,
    created_at: DateTime<Utc>,
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

/// Read the own profile
#[utoipa::path(
    tag = "me",
    security(("token" = [])),
    responses((status = 200, description = "The profile", body = MeOut))
)]
#[get("/me")]
async fn get_me(buyer: Buyer) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().versioned(buyer.member.version, MeOut::from(buyer.member)))
}

/// Change the own profile; what is absent stays, and `null` empties a field
#[utoipa::path(
    tag = "me",
    security(("token" = [])),
    params(IfMatch),
    request_body = Profile,
    responses(
        (status = 200, description = "Changed", body = MeOut),
        (status = 409, description = "`email_taken`"),
    )
)]
#[patch("/me")]
async fn update_me(buyer: Buyer, if_match: IfMatch, body: Body<Value>, app: Data<App>) -> Result<HttpResponse, Error> {
    let (actor, check, ticket) = (buyer.actor(), |version| if_match.check(version), Ticket::none());
    let deed = Deed { actor: &actor, check_version: &check, ticket: &ticket };
    let wanted = |profile: &Profile| merge_patch(profile, body.0);
    let member = member::change_own(&app, buyer.store, buyer.member.id, &deed, wanted).await?;
    Ok(HttpResponse::Ok().versioned(member.version, MeOut::from(member)))
}
