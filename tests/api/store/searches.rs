//! What is typed into the search boxes of members and orders.

use diesel::sql_types::BigInt;
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use kakeuri::domain::MemberId;
use kakeuri::domain::permissions::Role;
use serde_json::json;

use crate::support::{TestApp, lines, new_key};

const MEMBERS: &str = "/v1/admin/members";
const ORDERS: &str = "/v1/admin/orders";

/// A query with this text to look for.
fn q(text: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("q", text)
        .finish()
}

impl TestApp {
    async fn search(&self, list: &str, text: &str) -> Vec<String> {
        let body = self
            .admin()
            .get(&format!("{list}?{}&include_total=true", q(text)))
            .await
            .expect(200)
            .body;
        let ids: Vec<_> = body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect();
        if body["next_cursor"].is_null() {
            assert_eq!(body["total"], ids.len(), "{text}");
        }
        ids
    }

    async fn company(&self, name: &str, kana: &str) -> MemberId {
        self.member_with(|member| {
            member.profile.0.company_name = name.into();
            member.profile.0.company_name_kana = kana.into();
        })
        .await
    }

    /// The id of an order of a member, by bank transfer.
    async fn by_bank(&self, member: MemberId) -> String {
        let body =
            json!({ "member_id": member, "payment_method": "bank_transfer", "lines": lines(1000) });
        self.admin()
            .key(&new_key())
            .post(ORDERS, body)
            .await
            .expect(201)
            .text_at("/id")
    }
}

#[actix_web::test]
async fn two_characters_are_enough_and_width_and_case_make_no_difference() {
    let app = TestApp::start().await;
    let wide = app
        .company("株式会社ＡＢＣ茶舗", "エービーシーチャホ")
        .await;
    let narrow = app.company("Kiso Tea 2000", "ｷｿﾃｨｰ").await;
    let (ordered_wide, ordered_narrow) = (app.by_bank(wide).await, app.by_bank(narrow).await);
    for (text, member, order) in [
        ("茶舗", wide, &ordered_wide),
        ("abc", wide, &ordered_wide),
        ("ＡＢＣ", wide, &ordered_wide),
        ("ａｂｃ茶", wide, &ordered_wide),
        ("ｴｰﾋﾞｰ", wide, &ordered_wide),
        ("ＫＩＳＯ　ｔｅａ", narrow, &ordered_narrow),
        ("２０００", narrow, &ordered_narrow),
        ("キソティー", narrow, &ordered_narrow),
        ("ｷｿﾃｨ", narrow, &ordered_narrow),
    ] {
        assert_eq!(
            app.search(MEMBERS, text).await,
            [member.to_string()],
            "{text}"
        );
        assert_eq!(
            app.search(ORDERS, text).await,
            std::slice::from_ref(order),
            "{text}"
        );
    }
    assert!(
        app.search(MEMBERS, "茶株").await.is_empty(),
        "its characters are there, but not beside each other"
    );
    assert!(app.search(MEMBERS, "kiso 2000").await.is_empty());
}

#[actix_web::test]
async fn what_patterns_are_made_of_is_looked_for_like_everything_else() {
    let app = TestApp::start().await;
    let all = app.company("100%茶_\\舗", "").await;
    app.company("100茶と舗", "").await;
    for text in ["0%", "%茶", "茶_", "_\\", "\\舗", "％茶", "100%茶_\\舗"] {
        assert_eq!(app.search(MEMBERS, text).await, [all.to_string()], "{text}");
    }
    for text in ["%%", "__", "1%0", "'; --", "\\\\"] {
        assert!(app.search(MEMBERS, text).await.is_empty(), "{text}");
        assert!(app.search(ORDERS, text).await.is_empty(), "{text}");
    }
}

#[actix_web::test]
async fn an_order_is_found_once_by_its_number_its_member_or_both() {
    let app = TestApp::start().await;
    let named = app.company("合資会社00000002", "").await;
    let (first, second) = (app.by_bank(named).await, app.by_bank(named).await);
    let other = app.company("茶舗", "").await;
    let third = app.by_bank(other).await;
    assert_eq!(app.search(ORDERS, "00000002").await, [second, first]);
    assert_eq!(
        app.search(ORDERS, "00003").await,
        std::slice::from_ref(&third)
    );
    assert_eq!(app.search(ORDERS, "茶舗").await, [third]);
    let in_bulk = json!({ "filter": { "q": "茶" } });
    app.admin()
        .post("/v1/admin/orders/payments/refresh", in_bulk)
        .await
        .expect(422);
}

#[actix_web::test]
async fn a_renamed_member_is_found_by_the_new_name_alone_and_a_deleted_one_not_at_all() {
    let app = TestApp::start().await;
    let member = app.company("旧商店", "").await;
    app.admin()
        .patch(
            &format!("{MEMBERS}/{member}"),
            json!({ "company_name": "新商店" }),
        )
        .await
        .expect(200);
    assert!(app.search(MEMBERS, "旧商").await.is_empty());
    assert_eq!(app.search(MEMBERS, "新商").await, [member.to_string()]);
    app.admin()
        .delete(&format!("{MEMBERS}/{member}"))
        .await
        .expect(204);
    assert!(app.search(MEMBERS, "新商").await.is_empty());
}

#[actix_web::test]
async fn nobody_finds_what_another_store_has() {
    let app = TestApp::start().await;
    let member = app.company("木曽茶舗", "").await;
    let order = app.by_bank(member).await;
    let number = app.order(&order).await["number"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = app.admin_of(&app.another_store().await, &Role::Owner.scopes());
    for (list, text) in [
        (MEMBERS, "木曽"),
        (ORDERS, "木曽"),
        (ORDERS, number.as_str()),
    ] {
        let page = other
            .get(&format!("{list}?{}&include_total=true", q(text)))
            .await
            .expect(200)
            .body;
        assert_eq!(
            (&page["data"], &page["total"]),
            (&json!([]), &json!(0)),
            "{text}"
        );
        assert_eq!(app.search(list, text).await.len(), 1, "{text}");
    }
}

#[actix_web::test]
async fn one_character_and_more_than_a_hundred_are_refused() {
    let app = TestApp::start().await;
    let (longest, longer) = ("茶".repeat(100), "茶".repeat(101));
    for list in [MEMBERS, ORDERS] {
        for bad in ["", "茶", "ﾊﾞ", &longer] {
            let refused = app
                .admin()
                .get(&format!("{list}?{}", q(bad)))
                .await
                .problem(422, "invalid");
            assert_eq!(refused.pointers(), ["q"], "{bad}");
        }
        app.admin()
            .get(&format!("{list}?{}", q(&longest)))
            .await
            .expect(200);
    }
}

/// A thousand and more members with a text in common, and as many orders.
async fn many(app: &TestApp) {
    let seed = format!(
        "INSERT INTO members (store_id, id, number, status, profile, email_key, payment_methods, created_at, updated_at) \
         SELECT '{store}', ('01900000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'S' || n, 'active', \
             jsonb_build_object('company_name', '株式会社' || n, 'company_name_kana', ''), n || '@minato.example', \
             '{{bank_transfer}}', now(), now() FROM generate_series(1, 1200) AS n; \
         INSERT INTO orders (store_id, id, number, member_id, placed_at, payment_method, lines, shipping_fee, \
             payment_fee, tax_rounding, totals, total, updated_at) \
         SELECT store_id, id, substr(number, 2), id, now(), 'bank_transfer', '[]', 0, 0, 'floor', \
             '{{\"by_rate\":[],\"net\":0,\"tax\":0,\"total\":0}}', 0, now() FROM members WHERE store_id = '{store}'; \
         ANALYZE members, orders",
        store = app.store.store_id
    );
    app.app
        .db()
        .await
        .unwrap()
        .batch_execute(&seed)
        .await
        .unwrap();
}

#[actix_web::test]
async fn what_thousands_have_in_common_is_listed_newest_first_page_by_page() {
    let app = TestApp::start().await;
    many(&app).await;
    for list in [MEMBERS, ORDERS] {
        let first = app
            .admin()
            .get(&format!(
                "{list}?{}&limit=200&include_total=true",
                q("株式")
            ))
            .await
            .expect(200);
        assert_eq!(first.body["total"], 1200);
        let (mut seen, mut next) = (0, first.text_at("/next_cursor"));
        let mut page = first.body;
        loop {
            seen += page["data"].as_array().unwrap().len();
            let rest = app
                .admin()
                .get(&format!("{list}?{}&limit=200&cursor={next}", q("株式")))
                .await
                .expect(200);
            page = rest.body;
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
            next = cursor.to_owned();
        }
        assert_eq!(seen + page["data"].as_array().unwrap().len(), 1200);
    }
    assert_eq!(app.search(MEMBERS, "株式会社1200").await.len(), 1);
    assert_eq!(app.search(ORDERS, "株式会社1200").await.len(), 1);
}

#[derive(diesel::QueryableByName)]
struct Updates {
    #[diesel(sql_type = BigInt)]
    all: i64,
    #[diesel(sql_type = BigInt)]
    in_place: i64,
}

#[actix_web::test]
async fn a_change_of_something_else_does_not_touch_the_index_of_searches() {
    let app = TestApp::start().await;
    many(&app).await;
    let mut conn = app.app.db().await.unwrap();
    conn.batch_execute("VACUUM members").await.unwrap();
    conn.batch_execute("SELECT pg_stat_reset(); SELECT pg_stat_force_next_flush()")
        .await
        .unwrap();
    // As a member is saved: with all its columns.
    let save = "UPDATE members SET number = number, profile = profile, email_key = email_key, checked_at = now(), \
                version = version + 1 WHERE number LIKE 'S%0'";
    conn.batch_execute(save).await.unwrap();
    conn.batch_execute("SELECT pg_stat_force_next_flush()")
        .await
        .unwrap();
    let sql = "SELECT n_tup_upd AS \"all\", n_tup_hot_upd AS in_place FROM pg_stat_user_tables WHERE relname = 'members'";
    let updates: Updates = diesel::sql_query(sql).get_result(&mut conn).await.unwrap();
    assert_eq!(updates.all, 120);
    assert!(updates.in_place > 60, "only {} of 120", updates.in_place);
}
