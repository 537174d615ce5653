//! Files that are written while they are read: page after page, for as long as whoever asked may be told. The log says who took
//! what.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::web::{Bytes, Data};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::auth::{Admin, Permission, Standing};
use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::share;
use crate::domain::StoreId;
use crate::domain::events::EventType;
use crate::error::{Code, Error};

/// What is written page by page.
pub trait Pages: Sized + 'static {
    /// Writes the next page, without keeping a connection. False where it was the last.
    async fn next(&mut self, app: &App, out: &mut Vec<u8>) -> Result<bool, Error>;
}

/// A file, and who asked for it.
pub struct Export<P> {
    /// What it is called, without the day.
    pub name: &'static str,
    /// What it ends on.
    pub extension: &'static str,
    /// The media type.
    pub content_type: &'static str,
    /// What stands before the first page.
    pub head: Vec<u8>,
    /// What it is of.
    pub pages: P,
}

/// Answers with the file. The first page comes before the answer begins, so that a failure can still be told.
pub async fn answer<P: Pages, A: Permission>(
    export: Export<P>,
    admin: &Admin<A>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let Export {
        name,
        extension,
        content_type,
        head,
        mut pages,
    } = export;
    note(name, admin, &app).await?;
    let mut first = head;
    let more = pages.next(&app, &mut first).await?;
    let file = format!("{name}-{}.{extension}", app.clock.today());
    let rest = Rest {
        app,
        standing: admin.standing(),
        store: admin.store,
        pages: more.then_some(pages),
    };
    Ok(HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{file}\""),
        ))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(stream::iter([Ok(Bytes::from(first))]).chain(rest.stream())))
}

async fn note<A: Permission>(name: &str, admin: &Admin<A>, app: &App) -> Result<(), Error> {
    let data = json!({ "what": name, "address": admin.standing().address() });
    let event = NewEvent::new(EventType::DataExported, Subject::Store(admin.store), data);
    let (now, conn) = (app.clock.now(), &mut *app.db().await?);
    Ok(event::append(admin.store, &[event], &admin.actor, now, conn).await?)
}

/// What follows the first page.
struct Rest<P> {
    app: Data<App>,
    /// It breaks off where whoever asked for it may not be told any more.
    standing: Standing,
    store: StoreId,
    pages: Option<P>,
}

impl<P: Pages> Rest<P> {
    fn stream(self) -> impl Stream<Item = Result<Bytes, Error>> {
        let pages = stream::try_unfold(self, async |mut rest| {
            let Some(mut pages) = rest.pages.take() else {
                return Ok(None);
            };
            rest.check_standing().await?;
            let mut page = Vec::new();
            // The request is over when its answer is read.
            let next = pages.next(&rest.app, &mut page);
            let more = share::for_store(rest.store, next).await?;
            rest.pages = more.then_some(pages);
            Ok::<_, Error>(Some((Bytes::from(page), rest)))
        });
        pages.inspect_err(|error| tracing::error!(%error, "an export broke off"))
    }

    /// A slow reader may outlast the token, the session, or its owner's place among the staff.
    async fn check_standing(&self) -> Result<(), Error> {
        if self.standing.has_expired(self.app.clock.now())
            || !self.standing.stands(&self.app).await?
        {
            return Err(Code::TokenInvalid.because(text!("session-ended-before-the-export-did")));
        }
        Ok(())
    }
}
