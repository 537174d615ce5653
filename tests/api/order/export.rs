//! Orders and payments as a file for accounting.

use kakeuri::domain::permissions::Scope;
use serde_json::json;

use crate::support::{TestApp, lines, new_key};

const EXPORT: &str = "/v1/admin/orders/export";

/// The cells of each line, of a file in which none is quoted.
fn cells(text: &str) -> Vec<Vec<&str>> {
    let text = text.trim_start_matches('\u{feff}');
    text.lines().map(|line| line.split(',').collect()).collect()
}

impl TestApp {
    async fn file(&self, query: &str) -> String {
        let reader = self.admin_with(&[Scope::OrdersRead]);
        let (_, bytes) = reader.download(&format!("{EXPORT}{query}")).await;
        String::from_utf8(bytes).unwrap()
    }
}

#[actix_web::test]
async fn accounting_gets_what_it_holds_against_paids_statement() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let placed = app.place(member, 1_000).await.expect(201);
    let (id, number) = (placed.text_at("/id"), placed.text_at("/number"));
    let confirm = format!("/v1/admin/orders/{id}/payment/confirm");
    app.admin().act(&confirm).await.expect(200);
    let mixed = json!({
        "member_id": member, "payment_method": "bank_transfer", "shipping_fee": 500,
        "lines": [
            { "name": "茶", "unit_price": 1_001, "quantity": 1, "tax_rate": 8 },
            { "name": "切手", "unit_price": 100, "quantity": 2, "tax_rate": 0 },
        ],
    });
    app.admin()
        .key(&new_key())
        .post("/v1/admin/orders", mixed)
        .await
        .expect(201);

    let text = app.file("").await;
    let table = cells(&text);
    let column = |name: &str| table[0].iter().position(|cell| *cell == name).unwrap();
    let cell = |line: usize, name: &str| table[line][column(name)];
    assert_eq!(table.len(), 3);
    assert!(
        table.iter().all(|line| line.len() == table[0].len()),
        "{text}"
    );
    let amounts = |line: usize| {
        let names = [
            "net_10", "tax_10", "net_8", "tax_8", "net_0", "net", "tax", "total",
        ];
        names.map(|name| cell(line, name))
    };
    assert_eq!(
        amounts(1),
        ["500", "50", "1001", "80", "200", "1701", "130", "1831"]
    );
    let of_paid = [
        "payment_status",
        "paid_amount",
        "amount_mismatch",
        "provider_reference",
        "fixed_on",
    ];
    assert_eq!(of_paid.map(|name| cell(1, name)), ["", "", "", "", ""]);
    assert_eq!(cell(2, "number"), number);
    assert_eq!(
        of_paid.map(|name| cell(2, name))[..3],
        ["confirmed", "1100", "false"]
    );
    let sale = app.sale_of(&id).await;
    assert_eq!(
        cell(2, "provider_reference"),
        sale["b2bCreditId"].as_str().unwrap_or_default()
    );
    let order = app.order(&id).await;
    assert_eq!(
        cell(2, "fixed_on"),
        order["payment"]["fixed_on"].as_str().unwrap()
    );
    assert_eq!(app.count_events("data.exported").await, 1);
}

#[actix_web::test]
async fn the_file_is_in_japanese_and_of_those_that_are_wanted() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let placed = app.place(member, 1_000).await.expect(201);
    let other =
        json!({ "member_id": member, "payment_method": "cash_on_delivery", "lines": lines(200) });
    app.admin()
        .key(&new_key())
        .post("/v1/admin/orders", other)
        .await
        .expect(201);
    let query = "?lang=ja&encoding=shift_jis&payment_status=unconfirmed";
    let (head, bytes) = app.admin().download(&format!("{EXPORT}{query}")).await;
    assert_eq!(head["content-type"], "text/csv; charset=Shift_JIS");
    let (text, _, broken) = encoding_rs::SHIFT_JIS.decode(&bytes);
    assert!(!broken);
    let table = cells(&text);
    assert_eq!(table.len(), 2, "{text}");
    assert_eq!(
        (table[0][0], table[1][0].to_owned()),
        ("受注番号", placed.text_at("/number"))
    );
    assert!(
        table[1].contains(&"未確定") && table[1].contains(&"なし"),
        "{text}"
    );
    let without = app.admin_with(&[Scope::MembersRead]);
    without.get(EXPORT).await.problem(403, "missing_scope");
    let foreign = app.another_store().await;
    let (_, bytes) = app.admin_of(&foreign, Scope::ALL).download(EXPORT).await;
    assert_eq!(String::from_utf8(bytes).unwrap().lines().count(), 1);
}
