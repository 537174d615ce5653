//! Whether a caller was let in, which principals note and whatever reads further into a request asks for.

use actix_web::{HttpMessage as _, HttpRequest};

use crate::error::Error;

/// That the credentials of a request were judged, and are good enough for its handler.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    /// Nothing but the store is known of the caller, at most.
    pub stranger: bool,
}

/// Notes that the credentials are good enough.
pub fn note(request: &HttpRequest, stranger: bool) {
    request.extensions_mut().insert(Admitted { stranger });
}

/// Asked for by whatever reads further into a request.
pub fn of(request: &HttpRequest) -> Result<Admitted, Error> {
    let admitted = request.extensions().get::<Admitted>().copied();
    Ok(admitted.ok_or_else(|| {
        anyhow::anyhow!("a request was to be read whose credentials nobody has judged")
    })?)
}
