//! What nobody can use any more is dropped, a portion at a time.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection as _};
use kakeuri::db::schema::{password_tokens, sessions};

use crate::support::TestApp;

async fn sessions(app: &TestApp) -> i64 {
    let of_members = sessions::table.filter(sessions::member_id.is_not_null());
    of_members
        .count()
        .get_result(&mut app.app.db().await.unwrap())
        .await
        .unwrap()
}

#[actix_web::test]
async fn sessions_and_password_tokens_are_dropped_a_week_after_their_end() {
    let app = TestApp::start().await;
    let (member, other) = (app.member().await, app.member().await);
    let (ended, open) = (app.buyer(member).await, app.buyer(other).await);
    ended
        .delete("/v1/storefront/sessions/current")
        .await
        .expect(204);
    let now = app.app.clock.now();
    let token = format!(
        "INSERT INTO password_tokens (store_id, id, member_id, secret_hash, created_at, expires_at) \
         VALUES ('{}', gen_random_uuid(), '{member}', '', '{now}', '{now}')",
        app.store.store_id
    );
    app.app
        .db()
        .await
        .unwrap()
        .batch_execute(&token)
        .await
        .unwrap();
    let tokens = async || {
        password_tokens::table
            .count()
            .get_result::<i64>(&mut app.app.db().await.unwrap())
            .await
            .unwrap()
    };
    app.let_time_pass(TimeDelta::days(6)).await;
    app.work().await;
    assert_eq!((sessions(&app).await, tokens().await), (2, 1));
    app.let_time_pass(TimeDelta::days(2)).await;
    app.work().await;
    assert_eq!((sessions(&app).await, tokens().await), (1, 0));
    drop(open);
    app.let_time_pass(TimeDelta::days(60)).await;
    app.work().await;
    assert_eq!(sessions(&app).await, 0);
}

#[actix_web::test]
async fn a_long_neglect_is_made_up_for_over_several_rounds() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let seed = format!(
        "INSERT INTO sessions (store_id, id, member_id, refresh_hash, created_at, expires_at) \
         SELECT '{}', gen_random_uuid(), '{member}', '', now() - interval '90 days', now() - interval '60 days' \
         FROM generate_series(1, 20500)",
        app.store.store_id
    );
    app.app
        .db()
        .await
        .unwrap()
        .batch_execute(&seed)
        .await
        .unwrap();
    app.work().await;
    assert_eq!(sessions(&app).await, 500);
    app.work().await;
    assert_eq!(sessions(&app).await, 0);
}
