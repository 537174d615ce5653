//! Members as a CSV file: taken out, and put in again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use kakeuri::db::member::Member;
use kakeuri::domain::application::ApplicationStatus;
use kakeuri::domain::permissions::Scope;
use kakeuri::domain::{PaidKey, StoreId};
use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, Client, TestApp, new_key};

const EXPORT: &str = "/v1/admin/members/export";
const IMPORT: &str = "/v1/admin/members/import";

const UTF_8: &str = "text/csv; charset=utf-8";
const SHIFT_JIS: &str = "text/csv; charset=Shift_JIS";

async fn put_in(
    client: &Client,
    query: &str,
    content_type: &str,
    file: impl Into<Vec<u8>>,
) -> Answer {
    client
        .send_raw(
            Method::POST,
            &format!("{IMPORT}{query}"),
            Some((content_type, file.into())),
        )
        .await
}

impl TestApp {
    /// Puts a file in, lets it be worked on, and gives the job and its items.
    async fn imported(
        &self,
        query: &str,
        content_type: &str,
        file: impl Into<Vec<u8>>,
    ) -> (Value, Vec<Value>) {
        let accepted = put_in(&self.admin(), query, content_type, file)
            .await
            .expect(202);
        let path = accepted.header("location").unwrap().to_owned();
        assert_eq!(path, format!("/v1/admin/jobs/{}", accepted.text_at("/id")));
        self.work().await;
        let job = self.admin().get(&path).await.expect(200).body;
        let items = self
            .admin()
            .get(&format!("{path}/items?limit=200"))
            .await
            .expect(200)
            .body;
        (job, items["data"].as_array().unwrap().clone())
    }

    async fn lines(&self, query: &str) -> Vec<String> {
        let (_, file) = self.admin().download(&format!("{EXPORT}{query}")).await;
        let text = String::from_utf8(file).unwrap();
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }
}

/// A member with everything that a file, a spreadsheet or an encoding could spoil.
fn awkward(member: &mut Member) {
    member.number = "=0042".into();
    member.application.status = ApplicationStatus::Declined;
    member.customer_number = Some(PaidKey::parse("-OLD.7").unwrap());
    let profile = &mut member.profile.0;
    profile.company_name = "㈱髙①商店・한국 〜&#9731;".into();
    profile.contact.family_name = "'髙橋".into();
    profile.street = "＝海岸通４－１, \"みなと\"".into();
    profile.phone = "+81 45-000-1234".into();
    profile.profile = "一行目\r\n二行目\n¥100".into();
    profile.urls = vec!["https://a.example/?q=1,2".into(), "@b".into()];
    profile.annual_sales = Some(85_000_000);
}

fn items(items: &[Value]) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let told = |item: &Value| {
        format!(
            "{} {} {}",
            item["line"],
            word(&item["outcome"]),
            word(&item["code"])
        )
    };
    items.iter().map(told).collect()
}

/// The faults as `line column pointer code`.
fn faults(items: &[Value]) -> Vec<String> {
    let told = |item: &Value, error: &Value| {
        let [column, pointer, code] = ["column", "pointer", "code"]
            .map(|name| error[name].as_str().unwrap_or("-").to_owned());
        format!("{} {column} {pointer} {code}", item["line"])
    };
    items
        .iter()
        .flat_map(|item| {
            item["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|error| told(item, error))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[actix_web::test]
async fn a_file_taken_out_changes_nothing_when_it_is_put_in_again() {
    let app = TestApp::start().await;
    app.member_with(awkward).await;
    app.member().await;
    for (encoding, content_type) in [("utf-8", UTF_8), ("shift_jis", SHIFT_JIS)] {
        for lang in ["en", "ja"] {
            let (headers, file) = app
                .admin()
                .download(&format!("{EXPORT}?encoding={encoding}&lang={lang}"))
                .await;
            assert_eq!(headers["content-type"], content_type);
            assert_eq!(file.starts_with(b"\xef\xbb\xbf"), encoding == "utf-8");
            let (job, found) = app.imported("", content_type, file).await;
            assert_eq!(
                items(&found),
                ["2 skipped unchanged", "5 skipped unchanged"],
                "{encoding} {lang}: {found:?}"
            );
            assert_eq!(
                (&job["state"], &job["total"]),
                (&"succeeded".into(), &2.into())
            );
        }
    }
}

#[actix_web::test]
async fn the_file_is_written_for_a_spreadsheet() {
    let app = TestApp::start().await;
    app.member_with(awkward).await;
    let (headers, file) = app
        .admin()
        .download(&format!("{EXPORT}?lang=ja&encoding=shift_jis"))
        .await;
    let today = app.app.clock.today();
    assert_eq!(
        headers["content-disposition"],
        format!("attachment; filename=\"members-{today}.csv\"")
    );
    assert_eq!(headers["cache-control"], "no-store");
    // What `iconv -t CP932` makes of 会員番号,会員ステータス,会社名 and of ㈱髙①.
    assert!(file.starts_with(
        b"\x89\xef\x88\xf5\x94\xd4\x8d\x86,\x89\xef\x88\xf5\x83X\x83e\x81[\x83^\x83X,\x89\xef\x8e\xd0\x96\xbc,"
    ));
    assert!(
        file.windows(6)
            .any(|part| part == b"\x87\x8a\xfb\xfc\x87\x40")
    );
    let (text, _, broken) = encoding_rs::SHIFT_JIS.decode(&file);
    assert!(!broken);
    for cell in [
        "'=0042,有効,",
        "&#54620;&#44397; &#12316;&#38;#9731;",
        ",''髙橋,",
        ",\"'＝海岸通４－１, \"\"みなと\"\"\",",
        "&#165;100",
        ",'+81 45-000-1234,",
        ",'@b,",
        "Paid、銀行振込、代金引換,利用不可,'-OLD.7\r\n",
    ] {
        assert!(text.contains(cell), "{cell} in {text}");
    }
    let english = app.lines("").await;
    assert!(english[0].starts_with("\u{feff}number,status,company_name,"));
    assert!(
        english
            .join("\n")
            .contains(",paid|bank_transfer|cash_on_delivery,declined,'-OLD.7")
    );
}

#[actix_web::test]
async fn many_members_come_in_pages_and_in_the_order_they_came() {
    let app = TestApp::start().await;
    let deleted = app.member().await;
    app.admin()
        .delete(&format!("/v1/admin/members/{deleted}"))
        .await
        .expect(204);
    let theirs = app.another_store().await;
    foreign_member(&app, theirs.store_id).await;
    let mut file =
        "number,company_name,contact_family_name,contact_given_name,email,phone\n".to_owned();
    for number in 0..2500 {
        file.push_str(&format!(
            "B{number},会社{number},佐藤,健一,b{number}@minato.example,045-000-1234\n"
        ));
    }
    let (job, _) = app.imported("", UTF_8, file).await;
    assert_eq!(
        (&job["succeeded"], &job["total"]),
        (&2500.into(), &2500.into()),
        "{job}"
    );
    let lines = app.lines("").await;
    let numbers: Vec<&str> = lines
        .iter()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    let expected: Vec<String> = (0..2500).map(|number| format!("B{number}")).collect();
    assert_eq!(numbers, expected);
    let filtered = app.lines("?q=B249&lang=ja").await;
    assert_eq!(filtered.len(), 1 + 11, "{filtered:?}");
    let other = app
        .admin_of(&theirs, &[Scope::MembersRead])
        .download(EXPORT)
        .await
        .1;
    assert_eq!(other.iter().filter(|byte| **byte == b'\n').count(), 2);
}

async fn foreign_member(app: &TestApp, store: StoreId) {
    app.member_with(|member| member.store_id = store).await;
}

#[actix_web::test]
async fn an_export_knows_its_parameters() {
    let app = TestApp::start().await;
    let answer = app
        .admin()
        .get(&format!(
            "{EXPORT}?encoding=latin1&lang=fr&status=gone&limit=5"
        ))
        .await;
    let mut pointers = answer.problem(422, "invalid").body["errors"].clone();
    let mut names: Vec<String> = pointers
        .as_array_mut()
        .unwrap()
        .iter()
        .map(|fault| fault["pointer"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["encoding", "lang", "limit", "status"]);
    assert_eq!(app.lines("?application_status=pending").await.len(), 1);
}

#[actix_web::test]
async fn excels_file_in_shift_jis_is_taken_over() {
    let app = TestApp::start().await;
    app.member_with(|member| member.number = "0012".into())
        .await;
    let (_, found) = app
        .imported(
            "",
            "text/csv",
            include_bytes!("../fixtures/excel_cp932.csv").to_vec(),
        )
        .await;
    assert_eq!(items(&found), ["2 succeeded updated"], "{found:?}");
    let members = app.admin().get("/v1/admin/members?q=0012").await.body;
    assert_eq!(members["data"][0]["company_name"], "㈱髙①商店");
    assert_eq!(members["data"][0]["paid"]["application_status"], "pending");
}

#[actix_web::test]
async fn every_fault_is_named_by_line_and_column() {
    let app = TestApp::start().await;
    let file = "会員番号,メールアドレス,設立年,電話番号,合言葉\r\n\
        ,a@b.example,\"千九百\r\n九十八\",電話,x\r\n\
        1,2,3\r\n\
        ,A@B.example,1998,045-000-1234,x\r\n";
    let (job, found) = app.imported("?dry_run=true", UTF_8, file).await;
    assert_eq!(
        (&job["dry_run"], &job["refused"]),
        (&true.into(), &4.into()),
        "{job}"
    );
    let mut told = faults(&found);
    told.retain(|fault| !fault.ends_with(" required"));
    assert_eq!(
        told,
        [
            "1 合言葉 /合言葉 unknown_column",
            "2 設立年 /founded_year wrong_type",
            "2 電話番号 /phone malformed",
            "4 -  wrong_number_of_cells",
            "5 メールアドレス /email duplicate_in_file",
        ]
    );
    assert_eq!(
        app.admin()
            .get("/v1/admin/members?include_total=true")
            .await
            .body["total"],
        0
    );
}

#[actix_web::test]
async fn only_files_are_let_in_and_each_once() {
    let app = TestApp::start().await;
    let file = "number,company_name,contact_family_name,contact_given_name,email,phone\n,A,B,C,a@b.example,045-000-1234\n";
    put_in(&app.admin(), "", "application/json", "{}")
        .await
        .problem(415, "unsupported_media_type");
    put_in(&app.admin(), "?dryrun=true", UTF_8, file)
        .await
        .problem(422, "invalid");
    let refused = put_in(&app.admin(), "", UTF_8, "")
        .await
        .problem(422, "invalid");
    assert_eq!(refused.body["errors"][0]["code"], "empty_file");
    let reader = app.admin_with(&[Scope::MembersRead]).key(&new_key());
    put_in(&reader, "", UTF_8, file)
        .await
        .problem(403, "missing_scope");

    let admin = app.admin().key(&new_key());
    let first = put_in(&admin, "", UTF_8, file).await.expect(202);
    let again = put_in(&admin, "", UTF_8, file).await.expect(202);
    assert_eq!(
        (first.text, again.header("idempotency-replayed")),
        (again.text.clone(), Some("true"))
    );
    put_in(&admin, "", UTF_8, file.replace('A', "B"))
        .await
        .problem(422, "idempotency_key_reused");
    put_in(&admin, "?dry_run=true", UTF_8, file)
        .await
        .problem(422, "idempotency_key_reused");
    app.work().await;
    assert_eq!(
        app.admin()
            .get("/v1/admin/members?include_total=true")
            .await
            .body["total"],
        1
    );
}

#[actix_web::test]
async fn a_file_that_is_too_large_is_refused_before_it_is_sent() {
    let app = TestApp::start().await;
    let token = app.token(&[Scope::MembersWrite], chrono::TimeDelta::days(1));
    let address = app.address.trim_start_matches("http://").to_owned();
    for key in ["", "Idempotency-Key: k1\r\n"] {
        let head = format!(
            "POST {IMPORT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: text/csv\r\n\
             {key}Content-Length: 314572800\r\n\r\nnumber,email\r\n"
        );
        let address = address.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = vec![0; 4096];
            let length = stream.read(&mut answer).unwrap();
            String::from_utf8_lossy(&answer[..length]).into_owned()
        });
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    }
    let sent_whole = put_in(&app.admin(), "", "text/csv", vec![b'a'; 101 * 1024 * 1024]).await;
    sent_whole.problem(413, "body_too_large");
}
