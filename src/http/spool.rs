//! Files that come as a body: written to a nameless file while they arrive, so that memory stays as it is, and refused
//! as soon as they are too large.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek as _};
use std::sync::{Mutex, PoisonError};

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::LocalBoxFuture;
use tokio::io::AsyncWriteExt as _;

use super::admission;
use super::auth::Admin;
use super::auth::scopes::MembersWrite;
use super::intake::Intake;
use super::signature::{Argument, Sent, Signature};
use crate::app::App;
use crate::domain::StoreId;
use crate::error::{Code, Error};

/// The largest file.
pub const LIMIT: u64 = 100 * 1024 * 1024;

/// How many files one store may send at once.
const FILES_PER_STORE: usize = 2;

/// How many bytes all files that arrive or are being read may have together.
const MOST_BYTES: u64 = 10 * LIMIT;

/// What is taken up by files that arrive or are being read, in one process.
#[derive(Debug, Default)]
pub struct Spools(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    files: HashMap<StoreId, usize>,
    bytes: u64,
}

impl Spools {
    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one file, free again when it is dropped.
#[derive(Debug)]
pub struct Room {
    spools: Data<Spools>,
    store: StoreId,
    bytes: u64,
}

impl Room {
    /// A place for a further file of a store.
    ///
    /// # Errors
    /// `rate_limited` if the store has as many files under way as it may.
    fn take(spools: Data<Spools>, store: StoreId) -> Result<Self, Error> {
        let mut taken = spools.lock();
        let files = taken.files.entry(store).or_default();
        if *files >= FILES_PER_STORE {
            let problem = Code::RateLimited.problem(text!(
                "files-of-this-store-are-being-taken-in",
                files_per_store = FILES_PER_STORE
            ));
            return Err(problem.retry_after(5).into());
        }
        *files += 1;
        drop(taken);
        Ok(Self {
            spools,
            store,
            bytes: 0,
        })
    }

    /// Makes the place larger.
    ///
    /// # Errors
    /// `busy` if there is no space left.
    fn grow(&mut self, by: u64) -> Result<(), Error> {
        let mut taken = self.spools.lock();
        if taken.bytes.saturating_add(by) > MOST_BYTES {
            let problem = Code::Busy.problem(text!("too-many-files-are-arriving-at-once"));
            return Err(problem.retry_after(10).into());
        }
        taken.bytes += by;
        self.bytes += by;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut taken = self.spools.lock();
        taken.bytes = taken.bytes.saturating_sub(self.bytes);
        if let Some(files) = taken.files.get_mut(&self.store) {
            *files -= 1;
            if *files == 0 {
                taken.files.remove(&self.store);
            }
        }
    }
}

/// A CSV file that came as a body.
#[derive(Debug)]
pub struct Spool {
    /// The file, at its beginning. It has no name, and is gone when it is closed.
    pub file: File,
    /// What it takes up.
    pub room: Room,
}

/// A CSV file, and what its sender says of it.
#[derive(Debug)]
pub struct CsvBody {
    /// The file, at its beginning.
    pub file: File,
    /// The `charset` of the content type is Shift_JIS, by one of its names.
    pub said_shift_jis: bool,
    /// What it takes up, to be kept until it is read.
    pub room: Room,
}

impl FromRequest for CsvBody {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // Read already where an Idempotency-Key asked for its hash.
        let read = request.extensions_mut().remove::<Spool>();
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            // Nothing is kept for a stranger.
            admission::of(&request)?;
            let said_shift_jis = check(&request)?;
            let Spool { file, room } = match read {
                Some(spool) => spool,
                None => Spool::fill(&request, payload, |_| ()).await?,
            };
            Ok(Self {
                file,
                said_shift_jis,
                room,
            })
        })
    }
}

impl Argument for CsvBody {
    fn tell(signature: &mut Signature) {
        signature.body = Some(Sent::File);
    }
}

/// Looks at the headers: a file of a wrong type or size is not even begun. Says whether it is said to be Shift_JIS.
pub fn check(request: &HttpRequest) -> Result<bool, Error> {
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let (essence, parameters) = text(CONTENT_TYPE)
        .split_once(';')
        .unwrap_or((text(CONTENT_TYPE), ""));
    if !essence.trim().eq_ignore_ascii_case("text/csv") {
        return Err(Code::UnsupportedMediaType.because(text!("send-the-file-as-text-csv")));
    }
    let length: Option<u64> = text(CONTENT_LENGTH).parse().ok();
    if length.is_some_and(|length| length > LIMIT) {
        return Err(too_large());
    }
    let charset = parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find_map(|(name, value)| {
            name.trim()
                .eq_ignore_ascii_case("charset")
                .then(|| value.trim().trim_matches('"').as_bytes())
        });
    let said = charset.map(|name| name.to_ascii_lowercase());
    let shift_jis = |name: &Vec<u8>| {
        name == b"cp932" || encoding_rs::Encoding::for_label(name) == Some(encoding_rs::SHIFT_JIS)
    };
    Ok(said.as_ref().is_some_and(shift_jis))
}

fn too_large() -> Error {
    Code::BodyTooLarge.because(text!("file-may-have-at-most-bytes", limit = LIMIT))
}

impl Spool {
    /// Writes the body of a request of the admin API away, and shows each piece to `see`.
    pub async fn fill(
        request: &HttpRequest,
        payload: Payload,
        see: impl FnMut(&[u8]),
    ) -> Result<Self, Error> {
        let mut intake = Intake::of(request, payload)?;
        let admin = Admin::<MembersWrite>::extract(request).await?;
        let app = super::auth::app(request)?;
        let spools = request
            .app_data::<Data<Spools>>()
            .ok_or_else(|| anyhow::anyhow!("the service was not set up"))?;
        let room = Room::take(spools.clone(), admin.store)?;
        let spool = Self::fill_room(room, new_file(app).await?, &mut intake, see).await?;
        intake.finish(request).await?;
        Ok(spool)
    }

    async fn fill_room(
        mut room: Room,
        file: File,
        intake: &mut Intake,
        mut see: impl FnMut(&[u8]),
    ) -> Result<Self, Error> {
        let mut file = tokio::fs::File::from_std(file);
        let mut length: u64 = 0;
        while let Some(piece) = intake.next().await? {
            length += piece.len() as u64;
            if length > LIMIT {
                return Err(too_large());
            }
            room.grow(piece.len() as u64)?;
            see(&piece);
            file.write_all(&piece).await.map_err(broken)?;
        }
        file.flush().await.map_err(broken)?;
        let mut file = file.into_std().await;
        file.rewind().map_err(broken)?;
        Ok(Self { file, room })
    }
}

/// A nameless file in the operator's folder.
async fn new_file(app: &App) -> Result<File, Error> {
    let folder = app.config.spool_dir.clone();
    let make = move || folder.map_or_else(tempfile::tempfile, tempfile::tempfile_in);
    tokio::task::spawn_blocking(make)
        .await
        .map_err(broken)?
        .map_err(broken)
}

fn broken(error: impl Into<io::Error>) -> Error {
    anyhow::Error::from(error.into())
        .context("a file that arrived could not be written to a temporary one")
        .into()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use actix_web::test::TestRequest;
    use actix_web::web::Bytes;

    use super::*;

    fn pieces(count: usize, size: usize) -> Intake {
        let piece = Bytes::from(vec![b'a'; size]);
        let stream = futures_util::stream::iter(std::iter::repeat_n(piece, count).map(Ok));
        let payload: Payload = Payload::Stream {
            payload: Box::pin(stream),
        };
        Intake::with(payload, std::time::Duration::from_secs(10))
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
        for shift_jis in [
            "text/csv; charset=Shift_JIS",
            "TEXT/CSV;header=present;charset=\"Windows-31J\"",
            "text/csv;charset=CP932",
        ] {
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
        let (spools, store) = (Data::new(Spools::default()), StoreId::new());
        let fill = async |mut intake: Intake, see: &mut dyn FnMut(&[u8])| {
            let room = Room::take(spools.clone(), store).unwrap();
            Spool::fill_room(room, tempfile::tempfile().unwrap(), &mut intake, see).await
        };
        let mut spool = fill(pieces(3, 1000), &mut |bytes| seen += bytes.len())
            .await
            .unwrap();
        let mut text = String::new();
        spool.file.read_to_string(&mut text).unwrap();
        assert_eq!((text.len(), seen), (3000, 3000));
        let mut seen = 0;
        let endless = fill(pieces(usize::MAX, 1024 * 1024), &mut |bytes| {
            seen += bytes.len()
        })
        .await;
        assert_eq!(endless.unwrap_err().code(), Some(Code::BodyTooLarge));
        assert_eq!(seen as u64, LIMIT);
        assert_eq!(
            spools.lock().bytes,
            3000,
            "a file that was refused takes up nothing"
        );
        drop(spool);
        assert!(spools.lock().bytes == 0 && spools.lock().files.is_empty());
    }

    #[test]
    fn files_have_so_much_room_and_no_more() {
        let (spools, store) = (Data::new(Spools::default()), StoreId::new());
        let take = |store| Room::take(spools.clone(), store);
        let mut ours: Vec<Room> = (0..FILES_PER_STORE).map(|_| take(store).unwrap()).collect();
        assert_eq!(take(store).unwrap_err().code(), Some(Code::RateLimited));
        let mut theirs = take(StoreId::new()).unwrap();
        theirs.grow(MOST_BYTES).unwrap();
        assert_eq!(ours[0].grow(1).unwrap_err().code(), Some(Code::Busy));
        drop(theirs);
        ours[0].grow(1).unwrap();
        ours.clear();
        assert!(take(store).is_ok());
    }
}
