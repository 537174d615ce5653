//! Members as a CSV file: taken out and put in.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;

use super::jobs::{JobOut, accepted};
use super::members::MemberFilter;
use crate::app::App;
use crate::csv::{Column, Columns, CsvEncoding, CsvLanguage, Exported, Writer};
use crate::db::member::{self, Filter, InFile};
use crate::domain::job::Task;
use crate::domain::{MemberId, StoreId};
use crate::error::Error;
use crate::http::auth::scopes::{MembersRead, MembersWrite};
use crate::http::auth::{Admin, Permission};
use crate::http::export::{self, Export, Pages};
use crate::http::once::{Begun, Once};
use crate::http::operation::operations;
use crate::http::query::{Named, Params, Parts};
use crate::http::spool::CsvBody;
use crate::workflows::job;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, export_members, import_members);
}

/// How many members are read and written at once.
const PAGE: i64 = 1000;

/// How the file is written.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct FileFormat {
    /// How characters are written; `utf-8` where absent.
    #[param(inline)]
    encoding: Option<CsvEncoding>,
    /// What the first line and the words are written in; `en` where absent.
    #[param(inline)]
    lang: Option<CsvLanguage>,
}

impl FileFormat {
    /// What writes the file, and its media type.
    pub(super) fn writer(self) -> (Writer, &'static str) {
        let encoding = self.encoding.unwrap_or(CsvEncoding::Utf8);
        let writer = Writer {
            encoding,
            language: self.lang.unwrap_or(CsvLanguage::En),
        };
        match encoding {
            CsvEncoding::Utf8 => (writer, "text/csv; charset=utf-8"),
            CsvEncoding::ShiftJis => (writer, "text/csv; charset=Shift_JIS"),
        }
    }
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
    get,
    path = "/members/export",
    tag = "members",
    params(FileFormat, MemberFilter),
    responses((status = 200, description = "The file, streamed", content_type = "text/csv", body = String))
)]
async fn export_members(
    admin: Admin<MembersRead>,
    query: Parts<FileFormat, MemberFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let Parts(format, filter) = query;
    let (writer, content_type) = format.writer();
    let mut head = Vec::new();
    writer.header(&mut head);
    let pages = Members {
        store: admin.store,
        filter: filter.into(),
        writer,
        after: None,
    };
    let export = Export {
        name: "members",
        extension: "csv",
        content_type,
        head,
        pages,
    };
    export::answer(export, &admin, app).await
}

/// How far an export is.
struct Members {
    store: StoreId,
    filter: Filter,
    writer: Writer,
    after: Option<MemberId>,
}

impl Pages for Members {
    async fn next(&mut self, app: &App, out: &mut Vec<u8>) -> Result<bool, Error> {
        let rows = {
            let conn = app.db().await?;
            member::for_file(self.store, &self.filter, self.after, PAGE, &conn).await?
        };
        out.reserve(rows.len() * 512);
        for row in &rows {
            self.writer.member(&shown(row), out);
        }
        self.after = rows.last().map(|row| row.id);
        Ok(i64::try_from(rows.len()).is_ok_and(|count| count == PAGE))
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

/// What is done with a file.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportOptions {
    /// Only checks the file: an item says what would become of its row.
    #[param(default = false)]
    pub(super) dry_run: bool,
    /// Takes over every row or none.
    #[param(default = false)]
    pub(super) atomic: bool,
}

/// Import members from a CSV file (会員CSV取込)
///
/// The first line names the columns, in English or in Japanese and in any order; a column that is missing leaves its
/// field alone. A row is about the member with its `number`, or else with its `email`, and otherwise makes a new member.
/// The file is UTF-8, UTF-16 with a byte order mark, or Shift_JIS as Excel writes it; at most 100 MB. Every fault is
/// named by line and column in the items of the job; a row that changes nothing is `skipped` with the code `unchanged`.
#[utoipa::path(
    post,
    path = "/members/import",
    tag = "members",
    params(ImportOptions),
    request_body(content = String, content_type = "text/csv", example = json!(EXAMPLE)),
    responses(
        (status = 202, description = "The job; ask for it under its `Location`", body = JobOut),
        (status = 415, description = "`unsupported_media_type`: send `text/csv`"),
        (status = 429, description = "`rate_limited`: two files of the store are being taken in"),
        (status = 503, description = "`busy`: too many files are arriving"),
    )
)]
async fn import_members(
    admin: Admin<MembersWrite>,
    options: Params<ImportOptions>,
    once: Once<CsvBody>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ImportOptions { dry_run, atomic } = options.0;
    let task = Task::MemberImport { dry_run, atomic };
    take_in::<Column, _>(task, &admin, once, &app).await
}

/// Takes a file with these columns in, whose rows a job takes over.
pub(super) async fn take_in<C: Columns, P: Permission>(
    task: Task,
    admin: &Admin<P>,
    once: Once<CsvBody>,
    app: &App,
) -> Result<HttpResponse, Error> {
    let (ticket, body) = match once
        .begin(async |made| job::resume(app, admin.store, made).await)
        .await?
    {
        Begun::Resumed(job) => return Ok(accepted(job)),
        Begun::Fresh(fresh) => fresh,
    };
    // Its place is free again when the file has been read.
    let CsvBody {
        file,
        said_shift_jis,
        room: _room,
    } = body;
    let chunks = job::read_file::<C>(file, said_shift_jis).await?;
    let context = admin.unconditional(&ticket);
    Ok(accepted(
        job::accept_import(app, task, chunks, &context).await?,
    ))
}

/// A file as it may be sent.
const EXAMPLE: &str = "会員番号,会社名,担当者姓,担当者名,メールアドレス,電話番号,決済方法,Paid申請\r\n\
    B-0042,株式会社みなと商会,佐藤,健一,buyer@minato.example,045-000-1234,銀行振込、Paid,申請待ち\r\n";
