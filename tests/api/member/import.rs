//! What the rows of an imported file do to members.

use kakeuri::domain::application::ApplicationStatus;
use kakeuri::domain::member::PaymentMethod;
use kakeuri::domain::{MemberId, PaidKey};
use reqwest::Method;
use serde_json::{Value, json};

use crate::job::jobs::counts;
use crate::support::TestApp;

const HEADER: &str = "number,company_name,contact_family_name,contact_given_name,email,phone";

/// A file with these columns beside the header's, and these rows.
pub fn file(columns: &str, rows: &[&str]) -> String {
    format!("{HEADER}{columns}\n{}\n", rows.join("\n"))
}

/// The cells of [`HEADER`].
pub fn row(number: &str, email: &str) -> String {
    format!("{number},株式会社みなと,佐藤,健一,{email},045-000-1234")
}

impl TestApp {
    /// Imports a file of members; gives the job, and what became of each line.
    pub async fn import(&self, query: &str, file: &str) -> (Value, Vec<String>) {
        let path = format!("/v1/admin/members/import{query}");
        self.import_at(&path, file.as_bytes()).await
    }

    /// The same of a file of whatever that address takes.
    pub async fn import_at(&self, path: &str, file: &[u8]) -> (Value, Vec<String>) {
        let body = Some(("text/csv", file.to_vec()));
        let job = self
            .admin()
            .send_raw(Method::POST, path, body)
            .await
            .expect(202)
            .text_at("/id");
        self.work().await;
        let items = self
            .admin()
            .get(&format!("/v1/admin/jobs/{job}/items?limit=200"))
            .await
            .expect(200)
            .body;
        let told = |item: &Value| {
            let faults = item["errors"].as_array().unwrap().iter();
            let faults: Vec<_> = faults
                .map(|fault| format!("{}:{}", text(fault, "pointer"), text(fault, "code")))
                .collect();
            let what = if faults.is_empty() {
                text(item, "code").to_owned()
            } else {
                faults.join(" ")
            };
            format!("{} {} {what}", item["line"], text(item, "outcome"))
        };
        (
            self.job(&job).await,
            items["data"].as_array().unwrap().iter().map(told).collect(),
        )
    }

    pub async fn total(&self) -> i64 {
        self.admin()
            .get("/v1/admin/members?include_total=true")
            .await
            .expect(200)
            .body["total"]
            .as_i64()
            .unwrap()
    }

    pub async fn by_number(&self, number: &str) -> Value {
        let found = self
            .admin()
            .get(&format!("/v1/admin/members?q={number}"))
            .await
            .expect(200);
        found.body["data"][0].clone()
    }

    pub async fn numbered(&self, number: &str, email: &str) -> MemberId {
        self.member_with(|member| {
            member.number = number.into();
            member.email_key = email.into();
            member.profile.0.email = email.into();
        })
        .await
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("-")
}

#[actix_web::test]
async fn a_row_is_about_the_member_with_its_number_or_its_address() {
    let app = TestApp::start().await;
    let (first, second) = (
        app.numbered("A-1", "a@minato.example").await,
        app.numbered("A-2", "b@minato.example").await,
    );
    let rows = [
        row("A-1", "new@minato.example"),
        row("A-9", "B@minato.example"),
        row("", "c@minato.example"),
        row("A-4", "d@minato.example"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let (job, lines) = app.import("", &file("", &rows)).await;
    assert_eq!(
        lines,
        [
            "2 succeeded updated",
            "3 succeeded updated",
            "4 succeeded created",
            "5 succeeded created"
        ]
    );
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("succeeded"), [4, 4, 4, 0, 0, 0])
    );
    assert_eq!(app.seen(first).await["email"], "new@minato.example");
    assert_eq!(app.seen(second).await["number"], "A-9");
    assert_eq!(app.by_number("c@minato.example").await["number"], "M000001");
    assert_eq!(app.count_events("member.created").await, 2);
    assert_eq!(app.count_events("member.changed").await, 2);
    let (again, lines) = app.import("", &file("", &rows)).await;
    assert_eq!(counts(&again), [4, 4, 0, 0, 0, 4]);
    assert_eq!(lines[0], "2 skipped unchanged");
    assert_eq!(app.count_events("member.changed").await, 2);
}

#[actix_web::test]
async fn a_row_that_could_mean_two_members_or_one_that_is_gone_is_refused() {
    let app = TestApp::start().await;
    app.numbered("A-1", "a@minato.example").await;
    app.numbered("A-2", "b@minato.example").await;
    let gone = app.approved_member().await;
    app.admin()
        .patch(
            &format!("/v1/admin/members/{gone}"),
            json!({ "number": "A-3" }),
        )
        .await
        .expect(200);
    app.admin()
        .delete(&format!("/v1/admin/members/{gone}"))
        .await
        .expect(204);
    let rows = [
        row("A-1", "b@minato.example"),
        row("A-3", "x@minato.example"),
        row("A-1", "y@minato.example"),
        row("", "a@minato.example"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let (_, lines) = app.import("", &file("", &rows)).await;
    assert_eq!(
        lines,
        [
            "2 refused /number:ambiguous",
            "3 refused /number:number_taken",
            "4 refused /number:duplicate_in_file",
            "5 succeeded updated",
        ]
    );
}

/// Excel's Shift_JIS has no é: the export writes it, and the import reads it, as a reference.
#[actix_web::test]
async fn an_address_that_an_earlier_row_took_is_taken_however_it_is_written() {
    let app = TestApp::start().await;
    let known = app.numbered("A-1", "a@minato.example").await;
    app.numbered("A-2", "b@minato.example").await;
    let row = |number: &str, email: &str| {
        row(number, email).replace("株式会社みなと,佐藤,健一", "Minato,Sato,Kenichi")
    };
    let rows = [
        row("A-1", "&#233;@minato.example"),
        row("A-2", "&#201;@minato.example"),
        row("A-3", " &#201;@Minato.example"),
        row("", "&#201;@minato.example"),
        row("A-5", "e@minato.example"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    for query in ["", "?atomic=true"] {
        let (job, lines) = app.import(query, &file("", &rows)).await;
        let taken = |line: usize| format!("{line} refused /email:duplicate_in_file");
        assert_eq!(lines[1..4], [taken(3), taken(4), taken(5)]);
        assert_eq!(job["state"], "succeeded");
    }
    assert_eq!(app.seen(known).await["email"], "é@minato.example");
    assert_eq!(app.total().await, 3);
}

#[actix_web::test]
async fn an_address_that_a_file_changes_is_told_of_without_naming_the_old_one() {
    let app = TestApp::start().await;
    let (by_hand, by_file) = (
        app.numbered("A-1", "old@minato.example").await,
        app.member().await,
    );
    let buyer = app.buyer(by_hand).await;
    app.import("", &file("", &[&row("A-1", "new@minato.example")]))
        .await;
    buyer
        .get("/v1/storefront/me")
        .await
        .problem(401, "token_invalid");
    // Another member takes and leaves the old address: the hash is that of the address, by whatever way it changed.
    let path = format!("/v1/admin/members/{by_file}");
    app.admin()
        .patch(&path, json!({ "email": "Old@minato.example" }))
        .await
        .expect(200);
    app.admin()
        .patch(&path, json!({ "email": "other@minato.example" }))
        .await
        .expect(200);
    let events = app
        .admin()
        .get("/v1/admin/events?type=member.email_changed")
        .await
        .expect(200)
        .body;
    let told = |member: MemberId| {
        let events = events["data"].as_array().unwrap().iter();
        let hash = |event: &Value| event["data"]["old_email_hash"].as_str().unwrap().to_owned();
        events
            .filter(|event| event["subject"]["id"] == json!(member))
            .map(hash)
            .collect::<Vec<_>>()
    };
    assert_eq!((told(by_hand).len(), told(by_hand)[0].len()), (1, 44));
    assert!(told(by_file).contains(&told(by_hand)[0]), "{events}");
    assert!(!events.to_string().contains("minato.example"), "{events}");
}

#[actix_web::test]
async fn a_file_with_faults_is_taken_over_whole_or_not_at_all_where_that_is_asked() {
    let app = TestApp::start().await;
    let known = app.numbered("A-1", "a@minato.example").await;
    let before = app.seen(known).await;
    let rows = [
        row("A-1", "a@minato.example"),
        row("A-2", "no address"),
        row("A-3", "c@minato.example"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let left_out = [
        "2 skipped not_imported",
        "3 refused /email:malformed",
        "4 skipped not_imported",
    ];
    for query in ["?atomic=true", "?atomic=true&dry_run=true"] {
        let (job, lines) = app.import(query, &file("", &rows)).await;
        assert_eq!(
            (lines.as_slice(), &job["state"]),
            (left_out.map(str::to_owned).as_slice(), &json!("succeeded"))
        );
        assert_eq!(counts(&job), [3, 3, 0, 1, 0, 2]);
    }
    let (_, lines) = app.import("?dry_run=true", &file("", &rows)).await;
    assert_eq!(
        lines,
        [
            "2 succeeded updated",
            "3 refused /email:malformed",
            "4 succeeded created"
        ]
    );
    assert_eq!((app.total().await, app.seen(known).await), (1, before));
    assert_eq!(app.count_events("member.changed").await, 0);
    let (job, _) = app
        .import("?atomic=true", &file("", &[rows[0], rows[2]]))
        .await;
    assert_eq!((counts(&job), app.total().await), ([2, 2, 2, 0, 0, 0], 2));
    let (job, _) = app.import("", &file("", &rows)).await;
    assert_eq!(counts(&job), [3, 3, 0, 1, 0, 2]);
}

#[actix_web::test]
async fn a_long_file_is_taken_over_whole_too() {
    let app = TestApp::start().await;
    let mut rows: Vec<String> = (0..2500)
        .map(|at| row(&format!("L-{at}"), &format!("l{at}@minato.example")))
        .collect();
    rows.push(row("L-bad", "no address"));
    let refs: Vec<&str> = rows.iter().map(String::as_str).collect();
    let (job, _) = app.import("?atomic=true", &file("", &refs)).await;
    assert_eq!(
        (counts(&job), app.total().await),
        ([2501, 2501, 0, 1, 0, 2500], 0)
    );
    let (job, _) = app.import("?atomic=true", &file("", &refs[..2500])).await;
    assert_eq!(
        (counts(&job), app.total().await),
        ([2500, 2500, 2500, 0, 0, 0], 2500)
    );
}

#[actix_web::test]
async fn a_file_may_ask_for_an_application_and_nothing_else() {
    let app = TestApp::start().await;
    let approved = app
        .member_with(|member| {
            member.number = "P-1".into();
            member.application.status = ApplicationStatus::ApprovedActive;
        })
        .await;
    let declined = app
        .member_with(|member| {
            member.number = "P-2".into();
            member.application.status = ApplicationStatus::Declined;
        })
        .await;
    let file = |rows: &str| format!("会員番号,決済方法,Paid申請\n{rows}\n");
    let (_, lines) = app
        .import(
            "",
            &file("P-1,Paid、銀行振込,利用可能-取引中\nP-2,Paid|cash_on_delivery,申請待ち"),
        )
        .await;
    assert_eq!(lines, ["2 succeeded updated", "3 succeeded updated"]);
    assert_eq!(app.application_of(declined).await, "pending");
    assert_eq!(
        app.seen(declined).await["payment_methods"],
        json!(["paid", "cash_on_delivery"])
    );
    let (_, lines) = app
        .import(
            "",
            &file("P-1,paid|bank_transfer,\nP-2,Paid|代金引換,審査中"),
        )
        .await;
    assert_eq!(
        lines,
        [
            "2 skipped unchanged",
            "3 refused /paid_application_status:application_status_owned_by_paid"
        ]
    );
    let (_, lines) = app.import("", &file("P-1,Paid,申請待ち\nP-2,現金,")).await;
    let refused = [
        "2 refused /paid_application_status:application_status_owned_by_paid",
        "3 refused /payment_methods:invalid_value",
    ];
    assert_eq!(lines, refused);
    assert_eq!(app.application_of(approved).await, "approved_active");
}

#[actix_web::test]
async fn members_who_are_linked_at_paid_come_with_their_numbers_there() {
    let app = TestApp::with_paid().await;
    app.sandbox.link("OLD-1").await;
    app.member_with(|member| {
        member.number = "K-9".into();
        member.customer_number = PaidKey::parse("OLD-9").ok();
        member.payment_methods = vec![PaymentMethod::Paid];
    })
    .await;
    let columns = ",payment_methods,paid_customer_number";
    let rows = [
        format!("{},paid,OLD-1", row("K-1", "a@minato.example")),
        format!("{},paid,OLD-1", row("K-2", "b@minato.example")),
        format!("{},paid,OLD-9", row("K-3", "c@minato.example")),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let (_, lines) = app.import("", &file(columns, &rows)).await;
    let taken = |line: u32| format!("{line} refused /paid_customer_number:number_taken");
    assert_eq!(
        lines,
        ["2 succeeded created".to_owned(), taken(3), taken(4)]
    );
    app.bulk("/v1/admin/members/paid/refresh", json!({})).await;
    app.work().await;
    assert_eq!(
        app.by_number("K-1").await["paid"]["application_status"],
        "approved_active"
    );
    let (_, lines) = app
        .import("", "number,paid_customer_number\nK-1,OLD-2\nK-1,\n")
        .await;
    assert_eq!(
        lines[0],
        "2 refused /paid_customer_number:customer_number_set"
    );
}

#[actix_web::test]
async fn a_number_that_is_drawn_is_nobody_elses() {
    let app = TestApp::start().await;
    app.numbered("M000001", "a@minato.example").await;
    let rows = [
        row("", "b@minato.example"),
        row("", "c@minato.example"),
        row("", "d@minato.example"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let (job, _) = app.import("", &file("", &rows)).await;
    assert_eq!(counts(&job), [3, 3, 3, 0, 0, 0]);
    let numbers = ["b", "c", "d"]
        .map(async |name| app.by_number(&format!("{name}@minato.example")).await["number"].clone());
    let numbers = futures_util::future::join_all(numbers).await;
    assert_eq!(numbers, ["M000002", "M000003", "M000004"]);
}
