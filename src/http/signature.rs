//! What the types of a handler's arguments say of its calls.
//!
//! The documents and the layers around the handlers read a [`Signature`], so that who may call, whether a key is taken
//! and how long a body may be stand once, in the handler's signature.

use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use crate::domain::permissions::Scope;
use crate::error::Error;

/// What the arguments of a handler say of its calls.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Signature {
    /// Who may call.
    pub access: Access,
    /// Whether an `Idempotency-Key` is taken; `None` where it means nothing.
    pub key: Option<Key>,
    /// What is sent; `None` without a body.
    pub body: Option<Sent>,
    /// `If-Match` is heeded.
    pub if_match: bool,
    /// Query parameters are taken.
    pub query: bool,
    /// Nothing of the running service is asked, so that nothing can be out of order.
    pub idle: bool,
}

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Access {
    /// Everybody; credentials, if any, are in the body.
    Anybody,
    /// Whoever names the store by its publishable key.
    PublishableKey,
    /// Whoever names the store, or has a token.
    KeyOrToken,
    /// Whoever has a token with this scope; `None` where any token will do, or the handler asks for a scope itself.
    Token(Option<Scope>),
}

/// Whether a call may go without an `Idempotency-Key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Key {
    /// It may.
    Optional,
    /// It may not.
    Required,
}

/// What kind of body a call has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Sent {
    /// JSON of at most so many bytes.
    Json(usize),
    /// The same, read over what is there: what is absent stays.
    Patch(usize),
    /// A file, which is never held in memory.
    File,
    /// The fields of a form, by somebody who is nobody yet.
    Form,
}

impl Signature {
    /// The one of the handler that a request was routed to.
    pub fn of(request: &HttpRequest) -> Result<&Self, Error> {
        Ok(request
            .app_data::<Self>()
            .ok_or_else(|| anyhow::anyhow!("this handler was registered without its signature"))?)
    }

    /// Of a handler that takes nothing but its principal.
    pub(super) fn of_a(access: Access) -> Self {
        Self {
            access,
            key: None,
            body: None,
            if_match: false,
            query: false,
            idle: access == Access::Anybody,
        }
    }
}

/// The first argument of every handler.
pub trait Principal: FromRequest {
    /// Who passes for one.
    const ACCESS: Access;
}

/// Any further argument of a handler.
pub trait Argument: FromRequest {
    /// Adds what it means for the calls.
    fn tell(signature: &mut Signature);
}

impl Argument for () {
    fn tell(_: &mut Signature) {}
}

impl Argument for HttpRequest {
    fn tell(_: &mut Signature) {}
}

impl<T: 'static> Argument for Data<T> {
    fn tell(signature: &mut Signature) {
        signature.idle = false;
    }
}
