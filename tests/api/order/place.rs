//! Placing orders, by buyers and by the shop.

use futures_util::future::join;
use kakeuri::domain::application::ApplicationStatus;
use kakeuri::domain::member::{MemberStatus, PaymentMethod};
use serde_json::{Value, json};

use crate::support::{TestApp, lines, new_key, order_body};

const ORDERS: &str = "/v1/admin/orders";

fn cart(code: &str, quantity: i64) -> Value {
    json!({ "payment_method": "paid", "lines": [{ "product_code": code, "quantity": quantity }] })
}

#[actix_web::test]
async fn a_buyer_orders_on_credit_and_paid_holds_exactly_that_sale() {
    let app = TestApp::with_paid().await;
    app.product("TEA-100", 1000).await;
    let member = app.approved_member().await;
    let buyer = app.buyer(member).await;
    let quote = buyer
        .post(
            "/v1/storefront/orders/quote",
            json!({ "lines": cart("TEA-100", 3)["lines"] }),
        )
        .await;
    let quote = quote.expect(200).body;
    assert_eq!(quote["totals"]["total"], 3300);
    assert_eq!(quote["payment_methods"][0]["available"], true);
    let mut body = cart("TEA-100", 3);
    body["expected_total"] = json!(3300);
    let answer = buyer
        .key("first")
        .post("/v1/storefront/orders", body)
        .await
        .expect(201);
    assert_eq!(answer.body["payment"], json!({ "status": "unconfirmed" }));
    let order = answer.text_at("/id");
    assert_eq!(
        answer.header("location"),
        Some(format!("/v1/storefront/orders/{order}").as_str())
    );
    let sale = app.sale_of(&order).await;
    assert_eq!(
        (&sale["status"], &sale["price"], &sale["registered_times"]),
        (&json!("REGISTERED"), &json!(3300), &json!(1))
    );
    assert_eq!(
        sale["code"].as_str(),
        Some(answer.text_at("/number").as_str())
    );
    assert_eq!(
        app.events_of(&order).await,
        ["order.requested", "order.placed"]
    );
    for secret in [
        "amount_mismatch",
        "provider_reference",
        "open_operation",
        "warnings",
        "internal_note",
    ] {
        assert!(!answer.text.contains(secret), "{secret}");
    }
    let listed = buyer.get("/v1/storefront/orders").await.expect(200).body;
    assert_eq!(listed["data"][0]["id"], order.as_str());
}

#[actix_web::test]
async fn a_price_that_changed_meanwhile_is_a_409() {
    let app = TestApp::with_paid().await;
    app.product("TEA-100", 1000).await;
    let buyer = app.buyer(app.approved_member().await).await;
    let mut body = cart("TEA-100", 1);
    body["expected_total"] = json!(1000);
    buyer
        .key("k")
        .post("/v1/storefront/orders", body)
        .await
        .problem(409, "price_changed");
    assert!(app.sandbox.sales().await.is_empty());
}

#[actix_web::test]
async fn refused_credit_is_a_402_and_nothing_is_placed() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    // The sandbox refuses every price that ends in 402.
    let body = json!({ "member_id": member, "payment_method": "paid",
        "lines": [{ "name": "x", "unit_price": 1402, "quantity": 1, "tax_rate": 0 }] });
    let answer = app
        .admin()
        .key("k")
        .post(ORDERS, body)
        .await
        .problem(402, "credit_declined");
    assert_eq!(answer.body["application_status"], "approved_active");
    assert!(app.sandbox.sales().await.is_empty());
    assert_eq!(
        app.admin().get(ORDERS).await.expect(200).body["data"],
        json!([])
    );
    let log = app
        .admin()
        .get("/v1/admin/events?type=order.refused")
        .await
        .expect(200)
        .body;
    assert_eq!(
        (
            &log["data"][0]["subject"]["id"],
            &log["data"][0]["data"]["total"]
        ),
        (&json!(member), &json!(1402))
    );
}

#[actix_web::test]
async fn a_sale_that_paid_refuses_while_the_buyer_waits_is_not_placed_either() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    app.sandbox
        .fault_with(json!({ "operation": "register", "kind": "refuse", "code": "E77", "times": 1 }))
        .await;
    let answer = app
        .place(member, 1000)
        .await
        .problem(402, "credit_declined");
    assert_eq!(
        (
            &answer.body["paid_codes"],
            &answer.body["application_status"]
        ),
        (&json!(["E77"]), &json!("approved_active"))
    );
    app.sandbox.fault("register", "auth", 1).await;
    app.place(member, 1000)
        .await
        .problem(502, "provider_auth_failed");
    assert_eq!(app.admin().get(ORDERS).await.body["data"], json!([]));
    assert!(app.sandbox.sales().await.is_empty());
    let refused = app
        .admin()
        .get("/v1/admin/events?type=order.refused")
        .await
        .body;
    assert_eq!(refused["data"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn a_sale_that_paid_left_unanswered_is_placed_later_exactly_once() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    for kind in ["drop_answer", "drop_connection", "http_500", "malformed"] {
        app.sandbox.fault("register", kind, 1).await;
        let answer = app.place(member, 1000).await.expect(202);
        assert_eq!(answer.body["payment"]["status"], "processing");
        let order = answer.text_at("/id");
        app.recover_after(1).await;
        assert_eq!(
            app.order(&order).await["payment"]["status"],
            "unconfirmed",
            "{kind}"
        );
        assert_eq!(app.sale_of(&order).await["registered_times"], 1, "{kind}");
    }
    assert_eq!(app.sandbox.sales().await.len(), 4);
}

#[actix_web::test]
async fn once_answered_202_a_refused_sale_leaves_a_failed_order_to_read() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_WAIT", "300ms")]).await;
    let member = app.approved_member().await;
    let late = json!({ "operation": "register", "kind": "refuse", "code": "E77", "delay_ms": 1200, "times": 1 });
    app.sandbox.fault_with(late).await;
    let order = app.place(member, 1000).await.expect(202).text_at("/id");
    app.when(async || app.order(&order).await["payment"]["status"] != "processing")
        .await;
    let payment = app.order(&order).await["payment"].clone();
    assert_eq!(
        (&payment["status"], &payment["last_error"]["codes"]),
        (&json!("failed"), &json!(["E77"]))
    );
    assert!(app.sandbox.sales().await.is_empty());
    for action in ["confirm", "cancel"] {
        let path = format!("{ORDERS}/{order}/payment/{action}");
        app.admin()
            .act(&path)
            .await
            .problem(409, "payment_not_unconfirmed");
    }
}

#[actix_web::test]
async fn when_the_credit_check_gets_no_answer_nothing_is_sent() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    app.sandbox.fault("credit_check", "http_500", 20).await;
    let answer = app
        .place(member, 1000)
        .await
        .problem(503, "provider_unavailable");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(app.admin().get(ORDERS).await.body["data"], json!([]));
}

#[actix_web::test]
async fn paid_can_be_chosen_only_by_a_member_it_has_approved() {
    let app = TestApp::with_paid().await;
    let codes = |answer: crate::support::Answer| -> Vec<String> {
        let answer = answer.problem(409, "paid_not_available");
        answer.body["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|reason| reason["code"].as_str().unwrap().into())
            .collect()
    };
    let unknown = app.member().await;
    assert_eq!(codes(app.place(unknown, 1000).await), ["not_approved"]);
    let suspended = app
        .linked_member(|member| {
            member.status = MemberStatus::Suspended;
            member.payment_methods = vec![PaymentMethod::BankTransfer];
            member.application.status = ApplicationStatus::ApprovedActive;
        })
        .await;
    assert_eq!(
        codes(app.place(suspended, 1000).await),
        ["member_not_active", "paid_not_ticked"]
    );
    let member = app.approved_member().await;
    let product = json!({ "code": "GIFT", "name": "商品券", "unit_price": 1000, "tax_rate": 0, "paid_allowed": false });
    app.admin()
        .post("/v1/admin/products", product)
        .await
        .expect(201);
    let buyer = app.buyer(member).await;
    assert_eq!(
        codes(
            buyer
                .key("g")
                .post("/v1/storefront/orders", cart("GIFT", 1))
                .await
        ),
        ["product_excluded"]
    );
    let methods = buyer
        .get("/v1/storefront/payment-methods?product_codes=GIFT")
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&methods[0]["method"], &methods[0]["available"]),
        (&json!("paid"), &json!(false))
    );
    assert!(app.sandbox.sales().await.is_empty());
}

#[actix_web::test]
async fn a_cached_status_that_forbids_is_asked_again_before_the_order_is_refused() {
    let app = TestApp::with_paid().await;
    let member = app
        .linked_member(|member| member.application.status = ApplicationStatus::UnderReview)
        .await;
    app.place(member, 1000).await.expect(201);
    let waiting = app
        .linked_member(|member| member.application.status = ApplicationStatus::UnderReview)
        .await;
    app.sandbox
        .set_member(
            &app.customer_number(waiting).await,
            json!({ "status": "under_review" }),
        )
        .await;
    app.place(waiting, 1000)
        .await
        .problem(409, "paid_not_available");
    // The credit check tells the status too, and so updates the cache.
    let stopped = app.approved_member().await;
    app.sandbox
        .set_member(
            &app.customer_number(stopped).await,
            json!({ "status": "approved_inactive" }),
        )
        .await;
    let answer = app
        .place(stopped, 1000)
        .await
        .problem(402, "credit_declined");
    assert_eq!(answer.body["application_status"], "approved_inactive");
}

#[actix_web::test]
async fn the_same_key_places_one_order() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let client = app.admin().key(&new_key());
    let first = app.place_by(&client, member, 1000).await.expect(201);
    let second = app.place_by(&client, member, 1000).await.expect(201);
    assert_eq!(
        (&first.text, second.header("idempotency-replayed")),
        (&second.text, Some("true"))
    );
    app.place_by(&client, member, 1001)
        .await
        .problem(422, "idempotency_key_reused");
    assert_eq!(app.sandbox.sales().await.len(), 1);
    app.place_by(&app.admin(), member, 1000)
        .await
        .problem(400, "idempotency_key_missing");
}

#[actix_web::test]
async fn the_same_key_at_once_places_one_order() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let client = app.admin().key(&new_key());
    let (one, other) = join(
        app.place_by(&client, member, 1000),
        app.place_by(&client, member, 1000),
    )
    .await;
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert!(
        statuses == [201, 201] || statuses == [201, 409],
        "{statuses:?}"
    );
    assert_eq!(app.sandbox.sales().await.len(), 1);
}

#[actix_web::test]
async fn two_orders_at_once_share_the_credit_line_as_paid_sees_it() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    app.sandbox
        .set_member(
            &app.customer_number(member).await,
            json!({ "credit_line": 1500 }),
        )
        .await;
    let (one, other) = join(app.place(member, 1000), app.place(member, 1000)).await;
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 402]);
    assert_eq!(app.sandbox.sales().await.len(), 1);
    assert_eq!(
        app.admin().get(ORDERS).await.body["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[actix_web::test]
async fn an_order_of_another_store_or_member_is_not_there() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let other = app.another_store().await;
    let stranger = app.admin_of(&other, &kakeuri::domain::permissions::Role::Owner.scopes());
    stranger
        .get(&format!("{ORDERS}/{order}"))
        .await
        .problem(404, "not_found");
    let foreign = app.approved_member().await;
    let answer = stranger
        .key("k")
        .post(ORDERS, order_body(foreign, 1000))
        .await
        .problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/member_id"]);
    let buyer = app.buyer(foreign).await;
    buyer
        .get(&format!("/v1/storefront/orders/{order}"))
        .await
        .problem(404, "not_found");
}

#[actix_web::test]
async fn a_wrong_order_names_every_fault_and_reaches_nobody() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    app.product("TEA-100", 1000).await;
    let place = async |lines: Value| {
        let body = json!({ "member_id": member, "payment_method": "paid", "lines": lines });
        app.admin()
            .key(&new_key())
            .post(ORDERS, body)
            .await
            .problem(422, "invalid")
    };
    let line = |price: Value, quantity: Value| json!([{ "name": "x", "unit_price": price, "quantity": quantity, "tax_rate": 10 }]);
    assert_eq!(
        place(line(json!(10.5), json!(1))).await.pointers(),
        ["/lines/0/unit_price"]
    );
    assert_eq!(
        place(line(json!(0), json!(-1))).await.pointers(),
        ["/lines/0/quantity"]
    );
    assert_eq!(
        place(line(json!(i64::MAX), json!(i64::MAX)))
            .await
            .pointers(),
        ["/lines"]
    );
    assert_eq!(
        place(line(json!(-10), json!(1))).await.body["errors"][0]["code"],
        "negative_total"
    );
    assert_eq!(place(json!([])).await.pointers(), ["/lines"]);
    let buyer = app.buyer(member).await;
    let body = json!({ "payment_method": "paid", "lines": [
        { "product_code": "NONE", "quantity": 1 }, { "product_code": "TEA-100", "quantity": 0 },
    ] });
    let answer = buyer
        .key("1")
        .post("/v1/storefront/orders", body)
        .await
        .problem(422, "invalid");
    assert_eq!(
        answer.pointers(),
        ["/lines/0/product_code", "/lines/1/quantity"]
    );
    let priced = json!({ "payment_method": "paid", "lines": [{ "product_code": "TEA-100", "quantity": 1, "unit_price": 1 }] });
    let answer = buyer
        .key("2")
        .post("/v1/storefront/orders", priced)
        .await
        .problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/lines/0/unit_price"]);
    assert!(
        app.sandbox
            .calls()
            .await
            .iter()
            .all(|call| call["operation"] != "register")
    );
}

#[actix_web::test]
async fn an_order_by_other_means_asks_paid_nothing() {
    let app = TestApp::with_paid().await;
    let member = app.member().await;
    let body = json!({ "member_id": member, "payment_method": "bank_transfer", "lines": lines(1000), "shipping_fee": 500 });
    let shown = app
        .admin()
        .key("k")
        .post(ORDERS, body)
        .await
        .expect(201)
        .body;
    assert_eq!(
        (&shown["totals"]["total"], &shown["payment"]),
        (&json!(1650), &json!(null))
    );
    assert!(app.sandbox.calls().await.is_empty());
}

#[actix_web::test]
async fn orders_are_listed_newest_first_and_found_by_their_filters() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let mut ids = Vec::new();
    for net in [1000, 2000, 3000] {
        ids.push(app.place(member, net).await.expect(201).text_at("/id"));
    }
    ids.reverse();
    app.admin()
        .act(&format!("{ORDERS}/{}/payment/confirm", ids[0]))
        .await
        .expect(200);
    let off = json!({ "lines": lines(1), "update_paid_amount": false });
    app.admin()
        .patch(&format!("{ORDERS}/{}", ids[2]), off)
        .await
        .expect(200);
    let found = async |query: &str| -> Vec<String> {
        let body = app
            .admin()
            .get(&format!("{ORDERS}?{query}"))
            .await
            .expect(200)
            .body;
        body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|order| order["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(found("").await, ids);
    assert_eq!(found("payment_status=confirmed").await, ids[..1]);
    assert_eq!(found("amount_mismatch=true").await, ids[2..]);
    assert_eq!(found("amount_mismatch=false").await, ids[..2]);
    assert_eq!(
        found(&format!("member_id={member}&limit=2")).await,
        ids[..2]
    );
    assert_eq!(found("q=%E3%81%BF%E3%81%AA%E3%81%A8").await.len(), 3);
    assert!(found("q=%25%25").await.is_empty());
    let page = app
        .admin()
        .get(&format!("{ORDERS}?limit=2&include_total=true"))
        .await
        .expect(200)
        .body;
    assert_eq!(page["total"], 3);
    let next = page["next_cursor"].as_str().unwrap();
    assert_eq!(found(&format!("limit=2&cursor={next}")).await, ids[2..]);
    for bad in [
        "cursor=x",
        "placed_from=-200000-01-01T00:00:00Z",
        "placed_to=yesterday",
    ] {
        app.admin()
            .get(&format!("{ORDERS}?{bad}"))
            .await
            .problem(422, "invalid");
    }
}

#[actix_web::test]
async fn tax_is_rounded_as_the_store_did_when_the_order_was_placed() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let store = "/v1/admin/settings/store";
    let mut options = app.admin().get(store).await.expect(200).body;
    let mut orders = Vec::new();
    for rounding in ["floor", "round", "ceil"] {
        options["tax_rounding"] = json!(rounding);
        app.admin().put(store, options.clone()).await.expect(200);
        // 8 %: 2,989 net, 239.12 tax. 10 %: 1,073 net with the fee, 107.3 tax; a discount and a return among the lines.
        let body = json!({ "member_id": member, "payment_method": "paid", "shipping_fee": 73, "lines": [
            { "name": "茶", "unit_price": 1189, "quantity": 3, "tax_rate": 8 },
            { "name": "値引き", "unit_price": -578, "quantity": 1, "tax_rate": 8 },
            { "name": "返品", "unit_price": 500, "quantity": 0, "tax_rate": 8 },
            { "name": "器", "unit_price": 1000, "quantity": 1, "tax_rate": 10 },
        ] });
        let shown = app
            .admin()
            .key(&new_key())
            .post(ORDERS, body)
            .await
            .expect(201)
            .body;
        orders.push((
            shown["id"].as_str().unwrap().to_owned(),
            shown["totals"].clone(),
        ));
    }
    for ((id, totals), rounding) in orders.iter().zip(["floor", "round", "ceil"]) {
        let shown = app.order(id).await;
        assert_eq!(
            (&shown["totals"], &shown["tax_rounding"]),
            (totals, &json!(rounding)),
            "the order keeps its rounding"
        );
        assert_eq!(
            app.sale_of(id).await["price"],
            shown["totals"]["total"],
            "Paid holds the total with tax"
        );
        let tax = |index: usize| shown["totals"]["by_rate"][index]["tax"].as_i64().unwrap();
        let expected = if rounding == "ceil" {
            (108, 240)
        } else {
            (107, 239)
        };
        assert_eq!((tax(0), tax(1)), expected, "{rounding}");
    }
}

#[actix_web::test]
async fn an_order_gets_its_id_when_it_is_written_and_not_before_paid_was_asked() {
    let app = TestApp::with_paid().await;
    let (member, other) = (app.approved_member().await, app.member().await);
    let slow =
        json!({ "operation": "credit_check", "kind": "delay", "delay_ms": 2000, "times": 1 });
    app.sandbox.fault_with(slow).await;
    let quick = async {
        app.when(async || app.sandbox.in_flight().await > 0).await;
        let body =
            json!({ "member_id": other, "payment_method": "bank_transfer", "lines": lines(1000) });
        app.admin()
            .key(&new_key())
            .post(ORDERS, body)
            .await
            .expect(201)
            .text_at("/id")
    };
    let (slow, quick) = join(app.place(member, 1000), quick).await;
    let slow = slow.expect(201).text_at("/id");
    // Newest first: nothing appears behind what somebody has seen already.
    let list = app.admin().get(ORDERS).await.expect(200).body;
    assert_eq!(
        [&list["data"][0]["id"], &list["data"][1]["id"]],
        [&json!(slow), &json!(quick)]
    );
    let timeline = app
        .admin()
        .get(&format!("{ORDERS}/{slow}/timeline"))
        .await
        .expect(200);
    assert!(timeline.text.contains("credit_check"), "{}", timeline.text);
}

#[actix_web::test]
async fn the_tag_of_an_order_moves_whenever_what_it_shows_moves() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let order = app.place(member, 1000).await.expect(201).text_at("/id");
    let path = format!("{ORDERS}/{order}");
    let tag = async || {
        app.admin()
            .get(&path)
            .await
            .expect(200)
            .header("etag")
            .unwrap()
            .to_owned()
    };
    let mut tags = vec![tag().await];
    assert_eq!(tag().await, tags[0], "nothing has moved");
    app.sandbox.fault("cancel", "drop_answer", 1).await;
    app.sandbox
        .fault_with(json!({ "operation": "search", "kind": "http_500" }))
        .await;
    app.admin()
        .act(&format!("{path}/payment/cancel"))
        .await
        .expect(202);
    tags.push(tag().await);
    // The next try moves.
    for _ in 0..2 {
        app.recover_after(10).await;
        tags.push(tag().await);
    }
    app.sandbox.heal().await;
    app.recover_after(60).await;
    assert_eq!(app.order(&order).await["payment"]["status"], "cancelled");
    tags.push(tag().await);
    let rename = json!({ "company_name": "株式会社みなと商店" });
    app.admin()
        .patch(&format!("/v1/admin/members/{member}"), rename)
        .await
        .expect(200);
    tags.push(tag().await);
    let different: std::collections::HashSet<&String> = tags.iter().collect();
    assert_eq!(different.len(), tags.len(), "{tags:?}");
    // Nobody who acts on the order depends on the member's name; what has happened to the payment is another matter.
    let note = json!({ "internal_note": "x" });
    app.admin()
        .if_match(&tags[3])
        .patch(&path, note.clone())
        .await
        .problem(412, "stale");
    app.admin()
        .if_match(&tags[4])
        .patch(&path, note)
        .await
        .expect(200);
}

#[actix_web::test]
async fn an_order_tells_when_paid_was_last_asked_about_its_buyer() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let checked_at = async || app.seen(member).await["paid"]["checked_at"].clone();
    let version = async || {
        app.admin()
            .get(&format!("/v1/admin/members/{member}"))
            .await
            .expect(200)
    };
    app.place(member, 1000).await.expect(201);
    let (first, before) = (checked_at().await, version().await);
    assert!(first.is_string(), "{first}");
    app.let_time_pass(chrono::TimeDelta::seconds(30)).await;
    app.place(member, 1000).await.expect(201);
    assert_eq!(checked_at().await, first, "it is told to the minute");
    app.let_time_pass(chrono::TimeDelta::days(3)).await;
    app.place(member, 1000).await.expect(201);
    assert_ne!(checked_at().await, first);
    let number = |answer: &crate::support::Answer| {
        let tag = answer.header("etag").unwrap().to_owned();
        tag.split('-').next().unwrap().to_owned()
    };
    assert_eq!(
        number(&version().await),
        number(&before),
        "nothing of the member has changed"
    );
}
