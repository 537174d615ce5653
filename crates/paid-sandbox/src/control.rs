//! The control interface: what a developer or a test sees and does on Paid's side. Never part of Paid's protocol, and
//! bound by none of its rules.

use std::io;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::now;
use crate::faults::Fault;
use crate::ledger::{Change, Member, MemberStatus, Merchant, PRICE_MAX};
use crate::state::{Shared, State};
use paid_protocol::key;
use paid_protocol::sale::SaleStatus;

/// The paths below `/_sandbox/{auth_code}`.
pub fn routes(config: &mut ServiceConfig) {
    config.service(
        web::scope("/_sandbox/{auth_code}")
            .route("", web::delete().to(forget_merchant))
            .route("/members", web::get().to(list_members))
            .route("/members", web::put().to(put_members))
            .route("/members/{id}", web::get().to(get_member))
            .route("/members/{id}", web::put().to(put_member))
            .route("/members/{id}/link", web::post().to(link_member))
            .route("/sales", web::get().to(list_sales))
            .route("/sales/{id}", web::get().to(get_sale))
            .route("/sales/{id}", web::put().to(put_sale))
            .route("/sales/{id}", web::delete().to(delete_sale))
            .route("/calls", web::get().to(list_calls))
            .route("/load", web::get().to(get_load))
            .route("/faults", web::get().to(list_faults))
            .route("/faults", web::post().to(create_fault))
            .route("/faults", web::delete().to(delete_faults)),
    );
}

/// Why a control call fails.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such member, sale or path.
    #[error("{0}")]
    NotFound(&'static str),
    /// The body is no JSON.
    #[error("the body is not JSON: {0}")]
    BadJson(String),
    /// The body says something that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// The journal cannot be written.
    #[error("the sandbox cannot write its ledger: {0}")]
    Journal(#[from] io::Error),
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::BadJson(_) => StatusCode::BAD_REQUEST,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Journal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        HttpResponse::build(status)
            .json(json!({ "status": status.as_u16(), "message": self.to_string() }))
    }
}

type Answer = Result<HttpResponse, Refused>;

/// The answer to every path that is neither Paid's nor the control interface's.
pub async fn nothing_here(_: HttpRequest) -> Answer {
    Err(Refused::NotFound("the sandbox has nothing here"))
}

#[derive(Serialize)]
struct MemberOut<'a> {
    #[serde(rename = "b2bMemberId")]
    id: &'a str,
    #[serde(rename = "paidId")]
    paid_id: String,
    email: &'a str,
    status: MemberStatus,
    credit_line: i64,
    credit_used: i64,
    registered_at: DateTime<Utc>,
}

impl<'a> MemberOut<'a> {
    fn of(merchant: &Merchant, member: &'a Member) -> Self {
        Self {
            id: &member.id,
            paid_id: member.paid_id.to_string(),
            email: &member.email,
            status: member.status,
            credit_line: member.credit_line,
            credit_used: merchant.credit_used(&member.id),
            registered_at: member.registered_at,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberIn {
    status: Option<MemberStatus>,
    credit_line: Option<i64>,
}

impl MemberIn {
    fn check(&self) -> Result<(), Refused> {
        match self.credit_line {
            Some(..0) => Err(Refused::Invalid(
                "credit_line must not be negative".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    fn put_into(&self, member: &mut Member) {
        if let Some(status) = self.status {
            member.status = status;
            // A status set by hand is not taken back by the first check.
            member.verdict = None;
        }
        member.credit_line = self.credit_line.unwrap_or(member.credit_line);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MembersIn {
    data: Vec<NamedMemberIn>,
}

/// [`MemberIn`] with its number; flattening would let unknown fields through.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedMemberIn {
    #[serde(rename = "b2bMemberId")]
    id: String,
    status: Option<MemberStatus>,
    credit_line: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaleIn {
    price: Option<i64>,
    status: Option<SaleStatus>,
}

const NO_MEMBER: Refused = Refused::NotFound("no such member");
const NO_SALE: Refused = Refused::NotFound("no such sale");

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            Refused::Invalid(error.to_string())
        } else {
            Refused::BadJson(error.to_string())
        }
    })
}

fn list<T: Serialize>(items: impl IntoIterator<Item = T>) -> HttpResponse {
    let items: Vec<T> = items.into_iter().collect();
    HttpResponse::Ok().json(json!({ "data": items }))
}

fn show_member(state: &State, auth_code: &str, id: &str) -> Answer {
    let merchant = state.merchant(auth_code);
    let member = merchant.members.get(id).ok_or(NO_MEMBER)?;
    Ok(HttpResponse::Ok().json(MemberOut::of(merchant, member)))
}

fn show_sale(state: &State, auth_code: &str, id: &str) -> Answer {
    let sale = state.merchant(auth_code).sales.get(id).ok_or(NO_SALE)?;
    Ok(HttpResponse::Ok().json(sale))
}

async fn list_members(path: Path<String>, shared: Data<Shared>) -> Answer {
    let state = shared.lock();
    let merchant = state.merchant(&path);
    Ok(list(
        merchant
            .members
            .values()
            .map(|member| MemberOut::of(merchant, member)),
    ))
}

async fn get_member(path: Path<(String, String)>, shared: Data<Shared>) -> Answer {
    show_member(&shared.lock(), &path.0, &path.1)
}

async fn put_member(path: Path<(String, String)>, body: Bytes, shared: Data<Shared>) -> Answer {
    let (auth_code, id) = path.into_inner();
    let wanted: MemberIn = read(&body)?;
    wanted.check()?;
    let mut state = shared.lock();
    let mut member = state
        .merchant(&auth_code)
        .members
        .get(&id)
        .cloned()
        .ok_or(NO_MEMBER)?;
    wanted.put_into(&mut member);
    state.commit(&auth_code, Change::Member(member))?;
    show_member(&state, &auth_code, &id)
}

/// Many at once; those that are not known are linked. A mistake in one changes none.
async fn put_members(path: Path<String>, body: Bytes, shared: Data<Shared>) -> Answer {
    let wanted: MembersIn = read(&body)?;
    let check = |NamedMemberIn {
                     id,
                     status,
                     credit_line,
                 }| {
        key::check(&id).map_err(|error| Refused::Invalid(format!("{id:?}: {error}")))?;
        let change = MemberIn {
            status,
            credit_line,
        };
        change.check()?;
        Ok((id, change))
    };
    let wanted = wanted
        .data
        .into_iter()
        .map(check)
        .collect::<Result<Vec<_>, Refused>>()?;
    let mut state = shared.lock();
    for (id, change) in &wanted {
        let merchant = state.merchant(&path);
        let mut member = merchant
            .members
            .get(id)
            .cloned()
            .unwrap_or_else(|| merchant.link(id, now()));
        change.put_into(&mut member);
        state.commit(&path, Change::Member(member))?;
    }
    Ok(HttpResponse::Ok().json(json!({ "count": wanted.len() })))
}

async fn link_member(path: Path<(String, String)>, shared: Data<Shared>) -> Answer {
    let (auth_code, id) = path.into_inner();
    key::check(&id).map_err(|error| Refused::Invalid(error.to_string()))?;
    let mut state = shared.lock();
    let member = state.merchant(&auth_code).link(&id, now());
    state.commit(&auth_code, Change::Member(member))?;
    show_member(&state, &auth_code, &id)
}

async fn list_sales(path: Path<String>, shared: Data<Shared>) -> Answer {
    Ok(list(shared.lock().merchant(&path).sales.values()))
}

async fn get_sale(path: Path<(String, String)>, shared: Data<Shared>) -> Answer {
    show_sale(&shared.lock(), &path.0, &path.1)
}

async fn put_sale(path: Path<(String, String)>, body: Bytes, shared: Data<Shared>) -> Answer {
    let (auth_code, id) = path.into_inner();
    let wanted: SaleIn = read(&body)?;
    if wanted
        .price
        .is_some_and(|price| !(0..=PRICE_MAX).contains(&price))
    {
        return Err(Refused::Invalid(format!(
            "price must be from 0 to {PRICE_MAX}"
        )));
    }
    let mut state = shared.lock();
    let sale = state
        .merchant(&auth_code)
        .sales
        .get(&id)
        .cloned()
        .ok_or(NO_SALE)?;
    let status = wanted.status.unwrap_or(sale.status);
    let price = wanted.price.unwrap_or(sale.price);
    state.commit(
        &auth_code,
        Change::Sale(sale.moved("console", status, price, now())),
    )?;
    show_sale(&state, &auth_code, &id)
}

async fn delete_sale(path: Path<(String, String)>, shared: Data<Shared>) -> Answer {
    let (auth_code, id) = path.into_inner();
    let mut state = shared.lock();
    if !state.merchant(&auth_code).sales.contains_key(&id) {
        return Err(NO_SALE);
    }
    state.commit(&auth_code, Change::Gone(id))?;
    Ok(HttpResponse::NoContent().finish())
}

async fn list_calls(path: Path<String>, shared: Data<Shared>) -> Answer {
    Ok(list(shared.lock().calls.get(&*path).into_iter().flatten()))
}

async fn get_load(path: Path<String>, shared: Data<Shared>) -> Answer {
    let load = shared
        .lock()
        .loads
        .get(&*path)
        .map(|load| load.now_and_at_most());
    let (in_flight, most) = load.unwrap_or_default();
    Ok(HttpResponse::Ok().json(json!({ "in_flight": in_flight, "most_in_flight": most })))
}

async fn list_faults(path: Path<String>, shared: Data<Shared>) -> Answer {
    Ok(list(shared.lock().faults.get(&*path).into_iter().flatten()))
}

async fn create_fault(path: Path<String>, body: Bytes, shared: Data<Shared>) -> Answer {
    let fault: Fault = read(&body)?;
    if let Some(mistake) = fault.mistake() {
        return Err(Refused::Invalid(mistake.to_owned()));
    }
    let answer = HttpResponse::Created().json(&fault);
    shared
        .lock()
        .faults
        .entry(path.into_inner())
        .or_default()
        .push(fault);
    Ok(answer)
}

async fn delete_faults(path: Path<String>, shared: Data<Shared>) -> Answer {
    shared.lock().faults.remove(&*path);
    Ok(HttpResponse::NoContent().finish())
}

async fn forget_merchant(path: Path<String>, shared: Data<Shared>) -> Answer {
    let auth_code = path.into_inner();
    let mut state = shared.lock();
    state.faults.remove(&auth_code);
    state.calls.remove(&auth_code);
    state.loads.remove(&auth_code);
    state.commit(&auth_code, Change::Forgotten)?;
    Ok(HttpResponse::NoContent().finish())
}
