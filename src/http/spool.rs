//! Files that come as a body: written to a nameless file while they arrive, so that memory stays as it is, and refused
//! as soon as they are too large.

use std::fs::File;
use std::io::{self, Seek as _};

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use tokio::io::AsyncWriteExt as _;

use crate::error::{Code, Error};

/// The largest file.
pub const LIMIT: u64 = 100 * 1024 * 1024;

/// A CSV file that came as a body.
#[derive(Debug)]
pub struct Spool {
    /// The file, at its beginning. It has no name, and is gone when it is closed.
    pub file: File,
}

/// A CSV file, and what its sender says of it.
#[derive(Debug)]
pub struct CsvBody {
    /// The file, at its beginning.
    pub file: File,
    /// The `charset` of the content type is Shift_JIS, by one of its names.
    pub said_shift_jis: bool,
}

/// Does this path take a file?
pub fn takes(path: &str) -> bool {
    path.ends_with("/members/import")
}

impl FromRequest for CsvBody {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // Read already where an Idempotency-Key asked for its hash.
        let read = request.extensions_mut().remove::<Spool>();
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let said_shift_jis = check(&request)?;
            let spool = match read {
                Some(spool) => spool,
                None => Spool::fill(payload, |_| ()).await?,
            };
            Ok(Self { file: spool.file, said_shift_jis })
        })
    }
}

/// Looks at the headers: a file of a wrong type or size is not even begun. Says whether it is said to be Shift_JIS.
pub fn check(request: &HttpRequest) -> Result<bool, Error> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, parameters) = text(CONTENT_TYPE).split_once(';').unwrap_or((text(CONTENT_TYPE), ""));
    if !essence.trim().eq_ignore_ascii_case("text/csv") {
        return Err(Code::UnsupportedMediaType.because("Send the file as text/csv."));
    }
    let length: Option<u64> = text(CONTENT_LENGTH).parse().ok();
    if length.is_some_and(|length| length > LIMIT) {
        return Err(too_large());
    }
    let charset = parameters.split(';').filter_map(|parameter| parameter.split_once('=')).find_map(|(name, value)| {
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').as_bytes())
    });
    let said = charset.map(|name| name.to_ascii_lowercase());
    let shift_jis =
        |name: &Vec<u8>| name == b"cp932" || encoding_rs::Encoding::for_label(name) == Some(encoding_rs::SHIFT_JIS);
    Ok(said.as_ref().is_some_and(shift_jis))
}

fn too_large() -> Error {
    Code::BodyTooLarge.because(format!("The file may have at most {LIMIT} bytes. Send it in parts."))
}

impl Spool {
    /// Writes a body away, and shows each piece to `see`.
    pub async fn fill(mut payload: Payload, mut see: impl FnMut(&[u8])) -> Result<Self, Error> {
        let file = tokio::task::spawn_blocking(tempfile::tempfile).await.map_err(broken)?.map_err(broken)?;
        let mut file = tokio::fs::File::from_std(file);
        let mut length: u64 = 0;
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|_| Code::Malformed.because("The body ended before it was complete."))?;
            length += piece.len() as u64;
            if length > LIMIT {
                return Err(too_large());
            }
            see(&piece);
            file.write_all(&piece).await.map_err(broken)?;
        }
        file.flush().await.map_err(broken)?;
        let mut file = file.into_std().await;
        file.rewind().map_err(broken)?;
        Ok(Self { file })
    }
}

fn broken(error: impl Into<io::Error>) -> Error {
    anyhow::Error::from(error.into()).context("a file that arrived could not be written to a temporary one").into()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use actix_web::test::TestRequest;
    use actix_web::web::Bytes;

    use super::*;

    fn pieces(count: usize, size: usize) -> Payload {
        let piece = Bytes::from(vec![b'a'; size]);
        let stream = futures_util::stream::iter(std::iter::repeat_n(piece, count).map(Ok));
        Payload::Stream { payload: Box::pin(stream) }
    }

    #[test]
    fn the_headers_tell_what_is_not_worth_reading() {
        let said = |content_type: &str, length: u64| {
            let request = TestRequest::post()
                .insert_header((CONTENT_TYPE, content_type))
                .insert_header((CONTENT_LENGTH, length))
                .to_http_request();
            check(&request).map_err(|error| error.code().unwrap())
        };
        for shift_jis in
            ["text/csv; charset=Shift_JIS", "TEXT/CSV;header=present;charset=\"Windows-31J\"", "text/csv;charset=CP932"]
        {
            assert_eq!(said(shift_jis, 5), Ok(true), "{shift_jis}");
        }
        for other in ["text/csv", "text/csv; charset=utf-8", "text/csv; charset"] {
            assert_eq!(said(other, LIMIT), Ok(false), "{other}");
        }
        assert_eq!(said("text/csv", LIMIT + 1), Err(Code::BodyTooLarge));
        assert_eq!(said("application/json", 5), Err(Code::UnsupportedMediaType));
        assert!(check(&TestRequest::post().to_http_request()).is_err());
    }

    #[actix_web::test]
    async fn a_body_is_written_away_and_cut_off_where_it_is_too_large() {
        let mut seen = 0;
        let mut spool = Spool::fill(pieces(3, 1000), |bytes| seen += bytes.len()).await.unwrap();
        let mut text = String::new();
        spool.file.read_to_string(&mut text).unwrap();
        assert_eq!((text.len(), seen), (3000, 3000));
        let mut seen = 0;
        let endless = Spool::fill(pieces(usize::MAX, 1024 * 1024), |bytes| seen += bytes.len()).await;
        assert_eq!(endless.unwrap_err().code(), Some(Code::BodyTooLarge));
        assert_eq!(seen as u64, LIMIT);
    }
}
