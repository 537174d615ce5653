//! Requests that are to be done once, as handlers take them: the body comes with the right to do the work, and neither
//! before it was asked what an earlier try of the same request has made.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::LocalBoxFuture;
use uuid::Uuid;

use super::signature::{Argument, Key, Signature};
use crate::db::idempotency_key::Claimed;
use crate::error::{Code, Error};

pub use crate::db::idempotency_key::{Begun, Ticket};

/// The body of a request that is to be done once, and the right to do it, both under one lid: neither can be had before
/// it was asked what an earlier try of the same request has made. So a handler cannot refuse a repeat for what has
/// changed since.
#[derive(Debug)]
pub struct Once<B = ()> {
    claimed: Claimed,
    body: B,
}

/// The same for routes where the key is required.
#[derive(Debug)]
pub struct OnceUnderKey<B = ()>(pub Once<B>);

/// The body of a request that makes nothing an earlier try could have made: only its answer is kept under the key.
#[derive(Debug)]
pub struct AnswerKept<B = ()>(pub B);

impl<B> Once<B> {
    /// Gives the right to do the work and the body, unless `resume` answers what an earlier try recorded; see
    /// [`Claimed::begin`].
    pub async fn begin<T>(
        self,
        resume: impl AsyncFnOnce(Uuid) -> Result<Option<T>, Error>,
    ) -> Result<Begun<T, (Ticket, B)>, Error> {
        Ok(match self.claimed.begin(resume).await? {
            Begun::Resumed(answer) => Begun::Resumed(answer),
            Begun::Fresh(ticket) => Begun::Fresh((ticket, self.body)),
        })
    }

    /// The body for a dry run, which makes nothing that an earlier try could have made.
    pub fn for_a_dry_run(self) -> B {
        self.body
    }
}

fn claimed(request: &HttpRequest) -> Claimed {
    request
        .extensions()
        .get::<Claimed>()
        .cloned()
        .unwrap_or_else(Claimed::without_key)
}

impl<B: FromRequest + 'static> FromRequest for Once<B> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (claimed, body) = (claimed(request), B::from_request(request, payload));
        Box::pin(async move {
            Ok(Self {
                claimed,
                body: body.await.map_err(Into::into)?,
            })
        })
    }
}

impl<B: FromRequest + 'static> FromRequest for OnceUnderKey<B> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if claimed(request).has_key() {
            let once = Once::from_request(request, payload);
            return Box::pin(async move { once.await.map(Self) });
        }
        let missing = Code::IdempotencyKeyMissing.because(text!("send-an-idempotency-key"));
        Box::pin(std::future::ready(Err(missing.into())))
    }
}

impl<B: Argument + 'static> Argument for Once<B> {
    fn tell(signature: &mut Signature) {
        signature.key = Some(Key::Optional);
        B::tell(signature);
    }
}

impl<B: Argument + 'static> Argument for OnceUnderKey<B> {
    fn tell(signature: &mut Signature) {
        Once::<B>::tell(signature);
        signature.key = Some(Key::Required);
    }
}

impl<B: FromRequest + 'static> FromRequest for AnswerKept<B> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = B::from_request(request, payload);
        Box::pin(async move { body.await.map(Self).map_err(Into::into) })
    }
}

impl<B: Argument + 'static> Argument for AnswerKept<B> {
    fn tell(signature: &mut Signature) {
        Once::<B>::tell(signature);
    }
}
