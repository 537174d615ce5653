//! Nobody waits for the database without an end, and no store keeps it from the others.

use std::time::{Duration, Instant};

use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use futures_util::future::join_all;
use kakeuri::db::{self, Purpose};
use kakeuri::domain::permissions::Role;
use kakeuri::error::{Code, Error};
use serde_json::json;

use crate::support::TestApp;

#[derive(diesel::QueryableByName)]
struct Limits {
    #[diesel(sql_type = diesel::sql_types::Text)]
    lock: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    statement: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    idle: String,
}

async fn limits(pool: &db::Pool) -> [String; 3] {
    let sql = "SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement, \
               current_setting('idle_in_transaction_session_timeout') AS idle";
    let limits: Limits = diesel::sql_query(sql)
        .get_result(&mut pool.get().await.unwrap())
        .await
        .unwrap();
    [limits.lock, limits.statement, limits.idle]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_has_its_limits_and_a_migration_has_none() {
    let app = TestApp::start().await;
    let requests = db::pool_for(Purpose::Requests, app.database_url(), 1);
    assert_eq!(limits(&requests).await, ["5s", "15s", "30s"]);
    let background = db::pool(app.database_url(), 1);
    assert_eq!(limits(&background).await, ["30s", "10min", "1min"]);
    db::migrate(&background).await.unwrap();
    assert_eq!(
        limits(&background).await,
        ["30s", "10min", "1min"],
        "the migration's connection is not given on"
    );
}

#[actix_web::test]
async fn what_is_connected_already_leaves_less_room() {
    let app = TestApp::start().await;
    let mut conn = app.app.db().await.unwrap();
    let limit = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 30', current_database()); END $$";
    conn.batch_execute(limit).await.unwrap();
    let before = db::room::free(&conn).await.unwrap();
    assert!((4..=30).contains(&before), "{before}");
    let others = db::pool(app.database_url(), 3);
    let taken = join_all((0..3).map(|_| others.get())).await;
    assert_eq!(db::room::free(&conn).await.unwrap(), before - 3);
    drop(taken);
}

#[actix_web::test]
async fn a_row_that_somebody_holds_is_a_503_to_try_again() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let mut other = app.app.db().await.unwrap();
    other
        .batch_execute(&format!(
            "BEGIN; SELECT FROM members WHERE id = '{member}' FOR UPDATE"
        ))
        .await
        .unwrap();
    let path = format!("/v1/admin/members/{member}");
    let begun = Instant::now();
    let refused = app
        .admin()
        .patch(&path, json!({ "city": "川崎市" }))
        .await
        .problem(503, "busy");
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    other.batch_execute("ROLLBACK").await.unwrap();
    app.admin()
        .patch(&path, json!({ "city": "川崎市" }))
        .await
        .expect(200);
}

#[actix_web::test]
async fn a_statement_that_takes_too_long_is_cut_and_said_to_be() {
    let app = TestApp::start().await;
    let mut conn = app.app.db().await.unwrap();
    conn.batch_execute("SET statement_timeout = '20ms'")
        .await
        .unwrap();
    let cut = diesel::sql_query("SELECT pg_sleep(60)")
        .execute(&mut conn)
        .await
        .unwrap_err();
    let Error::Problem(problem) = Error::from(cut) else {
        panic!("not told apart from a fault of ours")
    };
    assert_eq!(
        (problem.code, problem.retry_after),
        (Code::TookTooLong, Some(1))
    );
}

/// How long `calls` of a store take, the median.
async fn median(app: &TestApp, store: &kakeuri::db::store::Store, calls: usize) -> Duration {
    let client = app.admin_of(store, &Role::Owner.scopes());
    let mut took = Vec::new();
    for _ in 0..calls {
        let begun = Instant::now();
        client.get("/v1/admin/products?limit=1").await.expect(200);
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took[calls / 2]
}

#[actix_web::test]
async fn a_store_whose_requests_all_hang_keeps_no_connection_from_another() {
    let app = TestApp::start().await;
    let (member, other) = (app.member().await, app.another_store().await);
    let alone = median(&app, &other, 9).await;
    let mut holder = app.app.db().await.unwrap();
    holder
        .batch_execute(&format!(
            "BEGIN; SELECT FROM members WHERE id = '{member}' FOR UPDATE"
        ))
        .await
        .unwrap();
    // Each of these holds a connection until its lock is refused: five seconds, and far more of them than connections.
    let path = format!("/v1/admin/members/{member}");
    let hanging: Vec<_> = (0..120)
        .map(|_| {
            let (client, path) = (app.admin(), path.clone());
            tokio::spawn(async move {
                client
                    .patch(&path, json!({ "city": "川崎市" }))
                    .await
                    .status
            })
        })
        .collect();
    app.when(async || waiting_for_locks(&app).await >= 4).await;
    let beside = median(&app, &other, 9).await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    let bound = Duration::from_millis(100).max(alone * 10);
    assert!(beside < bound, "alone {alone:?}, beside {beside:?}");
    let answers: Vec<u16> = join_all(hanging)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(
        answers.iter().all(|status| [200, 503].contains(status)),
        "{answers:?}"
    );
}

async fn waiting_for_locks(app: &TestApp) -> usize {
    let sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    diesel::sql_query(sql)
        .execute(&mut app.app.db().await.unwrap())
        .await
        .unwrap()
}

#[actix_web::test]
async fn one_store_s_many_searches_leave_another_store_s_requests_quick() {
    let app = TestApp::start().await;
    let other = app.another_store().await;
    let seed = format!(
        "INSERT INTO members (store_id, id, number, status, profile, email_key, payment_methods, created_at, updated_at) \
         SELECT '{}', gen_random_uuid(), 'S' || n, 'active', \
             jsonb_build_object('company_name', '株式会社' || md5(n::text), 'company_name_kana', 'カブシキガイシャ'), \
             n || '@minato.example', '{{bank_transfer}}', now(), now() FROM generate_series(1, 20000) AS n",
        app.store.store_id
    );
    app.app
        .db()
        .await
        .unwrap()
        .batch_execute(&format!("{seed}; ANALYZE members"))
        .await
        .unwrap();
    let alone = median(&app, &other, 21).await;
    let admin = app.admin();
    let searches: Vec<_> = (0..120)
        .map(|n| {
            let admin = admin.clone();
            tokio::spawn(async move {
                admin
                    .get(&format!("/v1/admin/orders?q={n:03}abcdef"))
                    .await
                    .status
            })
        })
        .collect();
    let beside = median(&app, &other, 21).await;
    let answers: Vec<u16> = join_all(searches)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    let bound = Duration::from_millis(100).max(alone * 10);
    assert!(beside < bound, "alone {alone:?}, beside {beside:?}");
}
