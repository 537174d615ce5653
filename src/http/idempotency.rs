//! `Idempotency-Key`: the same request again gets the same answer, and the work is done once.
//!
//! Works around the handlers that take a key (see `once.rs`): claims it, lets the handler run without holding a
//! connection, keeps the answer.

use std::net::IpAddr;

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION,
};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpMessage as _, HttpResponse};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::TimeDelta;

use super::auth::{Caller, PUBLISHABLE_KEY};
use super::limits::{self, KeyOwner, Limits};
use super::signature::{Sent, Signature};
use super::spool::{self, Spool};
use super::{auth, body, error};
use crate::app::App;
use crate::db::idempotency_key::{self, Claim, Claimed, Request};
use crate::domain::permissions::Scope;
use crate::error::{Code, Error};

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest answer that is kept, in bytes. To a repeat of a request with a longer one, what the first try made is
/// shown as it is by then.
const LONGEST_KEPT: usize = 64 * 1024;

/// How much longer than the wait for Paid a request may hold its key.
const MARGIN: TimeDelta = TimeDelta::seconds(5);

/// An answer as it is kept.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    headers: Vec<(String, String)>,
    body: String,
    /// Who repeats the request must still hold them.
    scopes: Vec<Scope>,
}

/// The layer around each handler that takes a key. The others need no mention: what they answer is never kept, as that
/// of sessions, whose answers are credentials.
pub async fn once(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let looked = match claim(&mut request).await {
        Ok(looked) => looked,
        Err(error) => return Ok(request.error_response(error).map_into_boxed_body()),
    };
    let (app, wanted, claimed) = match looked {
        Looked::Free => {
            return next
                .call(request)
                .await
                .map(ServiceResponse::map_into_boxed_body);
        }
        Looked::Answered(response) => return Ok(request.into_response(response)),
        Looked::Held(app, wanted, claimed) => (app, wanted, claimed),
    };
    request.extensions_mut().insert(claimed.clone());
    let guard = Held {
        app: app.clone(),
        claimed: Some(claimed),
    };
    let response = next.call(request).await?;
    let response = error::render(response.map_into_boxed_body());
    guard.settle(&wanted, response).await
}

/// What became of the look at the key.
enum Looked {
    /// No key, or nobody to keep an answer for.
    Free,
    Answered(HttpResponse),
    Held(Data<App>, Request, Claimed),
}

async fn claim(request: &mut ServiceRequest) -> Result<Looked, Error> {
    let Some(header) = request.headers().get(IDEMPOTENCY_KEY) else {
        return Ok(Looked::Free);
    };
    let key = checked(header)?;
    // Without good credentials the handler says what is wrong with them.
    let Some(caller) = auth::caller(request) else {
        return Ok(Looked::Free);
    };
    let app = request
        .app_data::<Data<App>>()
        .cloned()
        .ok_or_else(|| anyhow::anyhow!("the service was not set up"))?;
    let counted = Counting::begin(request, &app, &caller)?;
    let looked = look_up(request, app, caller, key).await;
    // What is there already, is refused, or cannot be looked up adds nothing to what is kept.
    if !matches!(looked, Ok(Looked::Held(..))) {
        counted.take_back();
    }
    looked
}

async fn look_up(
    request: &mut ServiceRequest,
    app: Data<App>,
    caller: Caller,
    key: String,
) -> Result<Looked, Error> {
    let Some(fingerprint) = fingerprint(request, &app).await? else {
        return Ok(Looked::Free);
    };
    let wanted = Request::new(caller.store, caller.name, key, fingerprint);
    let now = app.clock.now();
    let wait = TimeDelta::from_std(app.config.paid_wait).unwrap_or(MARGIN);
    let claim =
        idempotency_key::claim(&wanted, now, now + wait + MARGIN, &mut *app.db().await?).await?;
    match claim {
        Claim::Held(claimed) => Ok(Looked::Held(app, wanted, claimed)),
        Claim::Answered(status, sealed) => {
            replay(request, &app, &wanted, status, &sealed).map(Looked::Answered)
        }
        Claim::Reused => {
            Err(Code::IdempotencyKeyReused.because(text!("idempotency-key-was-used-for-another")))
        }
        Claim::InProgress => {
            let problem =
                Code::RequestInProgress.problem(text!("first-request-under-this-key-still-runs"));
            Err(problem.retry_after(1).into())
        }
    }
}

/// A new key that was counted, before its body is read and its row written.
struct Counting {
    limits: Data<Limits>,
    caller: Caller,
    address: IpAddr,
}

impl Counting {
    fn begin(request: &ServiceRequest, app: &App, caller: &Caller) -> Result<Self, Error> {
        let missing = || anyhow::anyhow!("the service was not set up");
        let limits = request
            .app_data::<Data<Limits>>()
            .cloned()
            .ok_or_else(missing)?;
        let address = limits::address(request.request(), &app.config);
        let counting = Self {
            limits,
            caller: caller.clone(),
            address,
        };
        counting.limits.new_key(caller.store, counting.owner())?;
        Ok(counting)
    }

    fn take_back(&self) {
        self.limits.no_new_key(self.caller.store, self.owner());
    }

    fn owner(&self) -> KeyOwner<'_> {
        match self.caller.name.as_deref() {
            None => KeyOwner::Stranger(self.address),
            Some(name) if name.starts_with("member:") => KeyOwner::Buyer(name),
            Some(name) => KeyOwner::Shop(name),
        }
    }
}

fn checked(header: &HeaderValue) -> Result<String, Error> {
    let text = header.to_str().unwrap_or_default();
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if text.is_empty() || text.len() > 255 || !printable {
        return Err(Code::Malformed.because(text!("idempotency-key-has-1-to-255-printable")));
    }
    Ok(text.to_owned())
}

/// The keyed hash of method, path and body; the handler finds the body as if nobody had read it. `None` where it would
/// be refused anyway, and is too large to be read for that.
async fn fingerprint(request: &mut ServiceRequest, app: &App) -> Result<Option<Vec<u8>>, Error> {
    let target = request
        .uri()
        .path_and_query()
        .map_or("", |target| target.as_str())
        .to_owned();
    let payload = request.take_payload();
    if Signature::of(request.request())?.body != Some(Sent::File) {
        let stranger = auth::caller(request).is_none_or(|caller| caller.name.is_none());
        if stranger {
            limits::look_before_body(request.request())?;
        }
        let bytes = body::read(request.request(), payload, stranger).await?;
        let mut parts: Vec<&[u8]> = vec![b"POST", target.as_bytes()];
        let store = store_named_beside_a_token(request);
        parts.extend(store.as_deref());
        parts.push(&bytes);
        let fingerprint = app.keys.fingerprint(&parts);
        request.set_payload(whole(bytes));
        return Ok(Some(fingerprint));
    }
    if auth::holds(request, &[Scope::MembersWrite]).is_err()
        || spool::check(request.request()).is_err()
    {
        request.set_payload(payload);
        return Ok(None);
    }
    let mut fingerprint = app.keys.begin_fingerprint(&[b"POST", target.as_bytes()]);
    let spool = Spool::fill(request.request(), payload, |bytes| {
        fingerprint.update(bytes)
    })
    .await?;
    request.extensions_mut().insert(spool);
    Ok(Some(fingerprint.finish()))
}

/// The key by which a visitor names the store, where a token stands beside it: it may be that of another store's member.
/// Then it names where this is done, and not who asks, so that the caller alone does not tell the two apart.
fn store_named_beside_a_token(request: &ServiceRequest) -> Option<Vec<u8>> {
    let key = request
        .headers()
        .get(PUBLISHABLE_KEY)
        .filter(|_| request.headers().contains_key(AUTHORIZATION))?;
    Some(key.as_bytes().to_owned())
}

fn whole(bytes: Bytes) -> Payload {
    let stream = futures_util::stream::once(async move { Ok(bytes) });
    Payload::Stream {
        payload: Box::pin(stream),
    }
}

fn purpose(request: &Request) -> String {
    format!(
        "answer {} {} {}",
        request.store, request.caller, request.key
    )
}

fn replay(
    asked: &ServiceRequest,
    app: &App,
    request: &Request,
    status: i16,
    sealed: &[u8],
) -> Result<HttpResponse, Error> {
    let kept: Kept = serde_json::from_slice(&app.keys.open(&purpose(request), sealed)?)
        .map_err(anyhow::Error::from)?;
    auth::holds(asked, &kept.scopes)?;
    let status = u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok());
    let mut response =
        HttpResponse::build(status.ok_or_else(|| anyhow::anyhow!("the status kept is none"))?);
    for (name, value) in kept.headers {
        response.insert_header((name, value));
    }
    response.insert_header((IDEMPOTENCY_REPLAYED, "true"));
    Ok(response.body(
        BASE64_STANDARD
            .decode(kept.body)
            .map_err(anyhow::Error::from)?,
    ))
}

/// A claimed key. Where the request is dropped half way, as when the caller hangs up, the key is let go.
struct Held {
    app: Data<App>,
    claimed: Option<Claimed>,
}

impl Held {
    async fn settle(
        mut self,
        request: &Request,
        response: ServiceResponse<BoxBody>,
    ) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
        let claimed = self.claimed.clone().unwrap_or_else(Claimed::without_key);
        let (asked, response) = response.into_parts();
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body)
            .await
            .map_err(|_| Error::from(anyhow::anyhow!("an answer broke off")))?;
        let settled = if is_kept(&head, &bytes, request.is_strangers()) {
            let kept = Kept {
                headers: headers(&head),
                body: BASE64_STANDARD.encode(&bytes),
                scopes: auth::scopes_used(&asked),
            };
            let sealed = self.app.keys.seal(
                &purpose(request),
                &serde_json::to_vec(&kept)
                    .map_err(|error| Error::from(anyhow::Error::from(error)))?,
            );
            self.keep(&claimed, head.status(), &sealed).await
        } else {
            release(&self.app, &claimed).await
        };
        // The work is done and said so; without its answer kept, a repeat finds it by what the ticket recorded.
        if let Err(error) = settled {
            tracing::error!(%error, "an answer could not be kept under its Idempotency-Key");
        }
        self.claimed = None;
        Ok(ServiceResponse::new(
            asked,
            head.set_body(bytes).map_into_boxed_body(),
        ))
    }

    async fn keep(
        &self,
        claimed: &Claimed,
        status: StatusCode,
        sealed: &[u8],
    ) -> Result<(), Error> {
        let status = i16::try_from(status.as_u16()).unwrap_or(i16::MAX);
        Ok(claimed
            .answer(status, sealed, &mut *self.app.db().await?)
            .await?)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(claimed) = self.claimed.take() {
            self.app.spawn(|app| async move {
                if let Err(error) = release(&app, &claimed).await {
                    tracing::error!(%error, "an Idempotency-Key could not be released");
                }
            });
        }
    }
}

async fn release(app: &App, claimed: &Claimed) -> Result<(), Error> {
    Ok(claimed
        .release(app.clock.now(), &mut *app.db().await?)
        .await?)
}

/// Kept: what a repeat would only get again. Not kept: what may be otherwise a moment later, what is too long, and what
/// a stranger was refused, who could otherwise fill the store with refusals.
fn is_kept(head: &HttpResponse<()>, body: &[u8], strangers: bool) -> bool {
    #[derive(serde::Deserialize)]
    struct WithCode {
        code: Option<Code>,
    }
    let code = || {
        serde_json::from_slice::<WithCode>(body)
            .ok()
            .and_then(|problem| problem.code)
    };
    match head.status().as_u16() {
        _ if body.len() > LONGEST_KEPT => false,
        200..300 => true,
        _ if strangers => false,
        402 | 422 => true,
        409 => code().is_none_or(|code| !code.as_str().ends_with("_in_progress")),
        _ => false,
    }
}

fn headers(head: &HttpResponse<()>) -> Vec<(String, String)> {
    let kept = [CONTENT_TYPE, CONTENT_LANGUAGE, ETAG, LOCATION];
    let pair = |name: HeaderName| {
        Some((
            name.to_string(),
            head.headers().get(&name)?.to_str().ok()?.to_owned(),
        ))
    };
    kept.into_iter().filter_map(pair).collect()
}
