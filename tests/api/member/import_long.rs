//! A file of more than one portion: the next is judged while the present one is written, and nothing comes of it that
//! would not have come of one after the other.

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value, json};

use crate::job::jobs::counts;
use crate::member::import::{file, row};
use crate::support::TestApp;

/// How many rows a portion has.
const PORTION: usize = 1000;

/// A file of two portions, each with one such row as its last.
fn two_portions(first: &str, second: &str) -> String {
    let new = |at: usize| row(&format!("L-{at}"), &format!("l{at}@minato.example"));
    let mut rows: Vec<String> = (0..PORTION - 1).map(new).collect();
    rows.extend([first.to_owned(), second.to_owned()]);
    file("", &rows.iter().map(String::as_str).collect::<Vec<_>>())
}

impl TestApp {
    async fn hand_in_parts(&self, file: &str) -> String {
        let body = Some(("text/csv", file.as_bytes().to_vec()));
        let sent = self
            .admin()
            .send_raw(Method::POST, "/v1/admin/members/import", body)
            .await;
        sent.expect(202).text_at("/id")
    }

    /// The line and the outcome of the items after a place.
    async fn outcomes(&self, job: &str, query: &str) -> Vec<(Value, Value)> {
        let path = format!("/v1/admin/jobs/{job}/items?{query}");
        let items = self.admin().get(&path).await.expect(200).body;
        let items = items["data"].as_array().unwrap().iter();
        items
            .map(|item| (item["line"].clone(), item["outcome"].clone()))
            .collect()
    }

    /// Whether a portion has been judged to its end by somebody who holds no lock.
    async fn has_looked_ahead(&self) -> bool {
        use diesel::dsl::sql;
        use diesel::sql_types::BigInt;
        use diesel_async::RunQueryDsl;
        let looked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' \
                      AND pid <> pg_backend_pid() AND query LIKE 'SELECT%\"operations\"%\"member_id\" = ANY%'";
        let backends = diesel::select(sql::<BigInt>(&format!("({looked})")));
        let count: i64 = backends
            .get_result(&mut self.app.db().await.unwrap())
            .await
            .unwrap();
        count > 0
    }
}

#[actix_web::test]
async fn a_row_counts_after_what_an_earlier_portion_did() {
    let app = TestApp::start().await;
    let member = app.numbered("A-1", "old@minato.example").await;
    // The first gives the member another address. The second is about whoever has the old one: nobody, by then.
    let file = two_portions(
        &row("A-1", "new@minato.example"),
        &row("", "old@minato.example"),
    );
    let job = app.hand_in_parts(&file).await;
    app.work().await;
    let job = app.job(&job).await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("succeeded"), [1001, 1001, 1001, 0, 0, 0])
    );
    assert_eq!(app.email_of(member).await, "new@minato.example");
    assert_eq!(app.total().await, 1001);
}

#[actix_web::test]
async fn what_an_admin_changes_after_a_portion_was_judged_stays() {
    let app = TestApp::start().await;
    let first = app.numbered("A-1", "a1@minato.example").await;
    let second = app.numbered("A-2", "a2@minato.example").await;
    let file = two_portions(
        &row("A-1", "a1@minato.example"),
        &row("A-2", "a2@minato.example"),
    );
    let job = app.hand_in_parts(&file).await;
    // The first portion waits for a member of its own, and the second is judged meanwhile.
    let mut keeper = AsyncPgConnection::establish(app.database_url())
        .await
        .unwrap();
    let lock = format!("BEGIN; SELECT FROM members WHERE id = '{first}' FOR UPDATE");
    keeper.batch_execute(&lock).await.unwrap();
    let meanwhile = async {
        app.when(async || app.has_looked_ahead().await).await;
        let change = json!({ "fax": "045-000-9999" });
        let path = format!("/v1/admin/members/{second}");
        app.admin().patch(&path, change).await.expect(200);
        drop(keeper);
    };
    join(app.work(), meanwhile).await;
    let job = app.job(&job).await;
    assert_eq!(counts(&job), [1001, 1001, 1001, 0, 0, 0]);
    let profile = app.seen(second).await;
    assert_eq!(
        (&profile["fax"], &profile["company_name"]),
        (&json!("045-000-9999"), &json!("株式会社みなと"))
    );
}

#[actix_web::test]
async fn rows_that_were_not_begun_are_listed_with_their_lines_also_after_a_stop() {
    let app = TestApp::start().await;
    let file = two_portions(
        &row("A-1", "a1@minato.example"),
        &row("A-2", "a2@minato.example"),
    );
    let job = app.hand_in_parts(&file).await;
    let not_started = |line: i64| (json!(line), json!("not_started"));
    assert_eq!(
        app.outcomes(&job, "limit=2").await,
        [not_started(2), not_started(3)]
    );
    app.do_a_portion().await;
    let listed = app.outcomes(&job, "limit=200&outcome=not_started").await;
    assert_eq!(listed, [not_started(1002)]);
    let cancel = format!("/v1/admin/jobs/{job}/cancel");
    let stopped = app.admin().act(&cancel).await.expect(200).body;
    assert_eq!(
        (&stopped["state"], counts(&stopped)),
        (&json!("cancelled"), [1001, 1000, 1000, 0, 0, 0])
    );
    // What is left of the file is dropped, and of its rows only where they began is kept.
    app.work().await;
    let path = format!("/v1/admin/jobs/{job}/items?outcome=not_started&include_total=true");
    let listed = app.admin().get(&path).await.expect(200).body;
    assert_eq!(
        (&listed["total"], &listed["data"][0]["line"]),
        (&json!(1), &json!(1002))
    );
    assert_eq!(app.rows_kept().await, 0);
    // Page by page, every row comes once.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/admin/jobs/{job}/items?limit=200{cursor}");
        let page = app.admin().get(&path).await.expect(200).body;
        let items = page["data"].as_array().unwrap().iter();
        seen.extend(items.map(|item| item["line"].as_i64().unwrap()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (2..=1002).collect::<Vec<i64>>());
}

impl TestApp {
    /// Of how many portions the rows are kept.
    async fn rows_kept(&self) -> i64 {
        use diesel::prelude::*;
        use diesel_async::RunQueryDsl;
        use kakeuri::db::schema::job_portions::dsl::{input, job_portions};
        let kept = job_portions.filter(input.is_not_null()).count();
        kept.get_result(&mut self.app.db().await.unwrap())
            .await
            .unwrap()
    }
}
