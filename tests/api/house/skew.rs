//! A page of a large store costs no more than a page, though most stores are small: the plan that a connection keeps is one for
//! all of them.

use diesel_async::SimpleAsyncConnection as _;

use crate::house::plans::{Asked, TIMES, rows_read};
use crate::support::TestApp;

/// What a page may read of a table, with room for what is looked at and left out. A store has 5,000.
const MOST: i64 = 500;

/// Ten thousand stores beside the ten, each with a member and an order that awaits its confirmation.
const SMALL_STORES: &str = "
    SET session_replication_role = replica;
    CREATE TEMP TABLE small AS
    SELECT n, gen_random_uuid() AS store_id, gen_random_uuid() AS id, now() AS at FROM generate_series(1, 10000) AS n;
    INSERT INTO stores (store_id, slug, publishable_key, name, created_at, updated_at)
    SELECT store_id, 'small-' || n, 'pk_small_' || n, '小商店', at, at FROM small;
    INSERT INTO members (store_id, id, number, status, profile, email_key, payment_methods, application_status, created_at,
        updated_at)
    SELECT store_id, id, 'M000001', 'active', jsonb_build_object('company_name', '小商会', 'company_name_kana', 'ショウ', 'email', 'a@small.example'),
        'a@small.example', '{paid}', 'none', at, at FROM small;
    INSERT INTO orders (store_id, id, number, member_id, placed_at, handling_status, payment_method, lines, shipping_fee,
        payment_fee, tax_rounding, totals, total, updated_at)
    SELECT store_id, id, '00000001', id, at, 'new', 'paid', '[]', 0, 0, 'floor',
        '{\"by_rate\": [], \"net\": 0, \"tax\": 0, \"total\": 0}', 0, at FROM small;
    INSERT INTO payments (store_id, order_id, status, amount, environment, merchant_id, credit_key, customer_number,
        created_at)
    SELECT store_id, id, 'unconfirmed', 0, 'sandbox', '100001', 'S' || n, 'C' || n, at FROM small;
    DROP TABLE small;
    RESET session_replication_role;
    SELECT recount_tallies();
    ANALYZE;
";

#[actix_web::test]
async fn a_page_of_a_large_store_costs_a_page_though_most_stores_are_small() {
    let app = TestApp::with_paid().await;
    let mut conn = app.many_rows().await;
    conn.batch_execute(SMALL_STORES).await.unwrap();
    let today = app.app.clock.today();
    let lists = [
        "orders".to_owned(),
        "orders?payment_status=confirmed".into(),
        "orders?payment_status=unconfirmed&limit=20".into(),
        "orders?payment_status=failed".into(),
        "orders?handling_status=completed".into(),
        "orders?payment_method=paid".into(),
        "orders?payment_method=bank_transfer".into(),
        "orders?amount_mismatch=true".into(),
        "orders?amount_mismatch=false".into(),
        format!("orders?placed_to={today}"),
        "members".into(),
        "members?status=active".into(),
        "members?application_status=approved_active".into(),
        "reconciliation".into(),
        "events".into(),
    ];
    app.stop_own_server().await;
    app.all_is_told(&mut conn).await;
    let mut wrong = Vec::new();
    for list in lists {
        let asked = Asked::get(&app.admin(), &format!("/v1/admin/{list}"));
        let before = rows_read("idx_tup_fetch", &mut conn).await;
        wrong.extend(app.ask_apart(&asked, TIMES, &mut conn).await);
        for (table, rows) in rows_read("idx_tup_fetch", &mut conn).await {
            let each = (rows - before[&table]) / i64::try_from(TIMES).unwrap();
            if each > MOST {
                wrong.push(format!("{} reads {each} rows of {table}", asked.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
