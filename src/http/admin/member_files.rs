//! Members as a CSV file: taken out.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpResponse, get};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use utoipa_actix_web::service_config::ServiceConfig;

use super::members::MemberFilter;
use crate::app::App;
use crate::db::member::{self, Filter, InFile};
use crate::domain::{MemberId, StoreId};
use crate::error::Error;
use crate::http::auth::Admin;
use crate::http::auth::scopes::MembersRead;
use crate::http::query::{Named, Parts};
use crate::member_csv::{CsvEncoding, CsvLanguage, Exported, Writer};

/// The routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(export_members);
}

/// How many members are read and written at once.
const PAGE: i64 = 1000;

/// How the file is written.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct FileFormat {
    /// How characters are written; `utf-8` where absent.
    encoding: Option<CsvEncoding>,
    /// What the first line and the words are written in; `en` where absent.
    lang: Option<CsvLanguage>,
}

impl Named for FileFormat {
    const NAMES: &'static [&'static str] = &["encoding", "lang"];
}

/// Export members as a CSV file (会員CSVダウンロード)
///
/// Every column that an import knows, and the status. Sent back as it is, the file changes nothing. In Shift_JIS, a
/// character that the encoding has not stands as `&#…;`, which an import understands. A cell that a spreadsheet would
/// take for a formula begins with `'`. Members come in the order in which they were created.
#[utoipa::path(
    tag = "members",
    params(FileFormat, MemberFilter),
    responses((status = 200, description = "The file, streamed", content_type = "text/csv", body = String))
)]
#[get("/members/export")]
async fn export_members(
    admin: Admin<MembersRead>,
    query: Parts<FileFormat, MemberFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let Parts(format, filter) = query;
    let encoding = format.encoding.unwrap_or(CsvEncoding::Utf8);
    let writer = Writer { encoding, language: format.lang.unwrap_or(CsvLanguage::En) };
    let charset = match encoding {
        CsvEncoding::Utf8 => "text/csv; charset=utf-8",
        CsvEncoding::ShiftJis => "text/csv; charset=Shift_JIS",
    };
    let name = format!("attachment; filename=\"members-{}.csv\"", app.clock.today());
    let export = Export { app, store: admin.store, filter: filter.into(), writer, after: None, ended: false };
    // The first page comes before the answer begins, so that a failure can still be told.
    let mut first = Vec::new();
    writer.header(&mut first);
    let export = export.page(&mut first).await?;
    let rest = stream::try_unfold(export, async |export| {
        if export.ended {
            return Ok(None);
        }
        let mut page = Vec::new();
        let export = export.page(&mut page).await?;
        Ok::<_, Error>(Some((Bytes::from(page), export)))
    });
    let rest = rest.inspect_err(|error| tracing::error!(%error, "an export broke off"));
    let file = stream::iter([Ok(Bytes::from(first))]).chain(rest);
    Ok(HttpResponse::Ok()
        .content_type(charset)
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(file))
}

/// How far an export is.
struct Export {
    app: Data<App>,
    store: StoreId,
    filter: Filter,
    writer: Writer,
    after: Option<MemberId>,
    ended: bool,
}

impl Export {
    /// Writes the next page. No connection is held while the client reads it.
    async fn page(mut self, out: &mut Vec<u8>) -> Result<Self, Error> {
        let rows = {
            let conn = self.app.db().await?;
            member::for_file(self.store, &self.filter, self.after, PAGE, &conn).await?
        };
        out.reserve(rows.len() * 512);
        for row in &rows {
            self.writer.member(&shown(row), out);
        }
        self.after = rows.last().map(|row| row.id);
        self.ended = i64::try_from(rows.len()).is_ok_and(|count| count < PAGE);
        Ok(self)
    }
}

fn shown(row: &InFile) -> Exported<'_> {
    Exported {
        number: &row.number,
        status: row.status,
        profile: &row.profile.0,
        payment_methods: &row.payment_methods,
        application_status: row.application_status,
        customer_number: row.customer_number.as_ref(),
    }
}
