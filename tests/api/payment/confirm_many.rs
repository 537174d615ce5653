//! Many confirmations that are written down together, each with an outcome of its own.

use chrono::TimeDelta;
use kakeuri::db::idempotency_key::Ticket;
use kakeuri::db::operation;
use kakeuri::domain::OrderId;
use kakeuri::error::{Code, Error};
use kakeuri::workflows::context::Context;
use kakeuri::workflows::durable::lease;
use kakeuri::workflows::payment::{self, Confirm, answer::Progress};
use serde_json::json;

use crate::support::TestApp;

impl TestApp {
    async fn three_orders(&self) -> [OrderId; 3] {
        let member = self.approved_member().await;
        let mut orders = Vec::new();
        for _ in 0..3 {
            let placed = self.place(member, 1000).await.expect(201);
            orders.push(placed.text_at("/id").parse().unwrap());
        }
        orders.try_into().unwrap()
    }

    async fn confirm_many(&self, orders: &[OrderId]) -> Vec<Result<Progress, Error>> {
        let ticket = Ticket::none();
        let context = Context::unconditional(self.store.store_id, "system", &ticket);
        let asked: Vec<_> = orders.iter().map(|order| (*order, context)).collect();
        payment::confirm_many(&self.app, &Confirm::default(), &asked).await
    }

    async fn payment_is(&self, order: OrderId, status: &str) -> bool {
        self.order(&order.to_string()).await["payment"]["status"] == status
    }
}

/// `None`: still under way.
fn outcome(confirmed: &Result<Progress, Error>) -> Result<Option<()>, Option<Code>> {
    match confirmed {
        Ok(progress) => Ok((!progress.processing).then_some(())),
        Err(error) => Err(error.code()),
    }
}

#[actix_web::test]
async fn one_that_does_not_stand_as_it_was_read_holds_up_none_of_the_others() {
    let app = TestApp::with_paid().await;
    let [first, changed, last] = app.three_orders().await;
    // Asked twice, it has changed when it comes to be written the second time.
    let confirmed = app.confirm_many(&[first, changed, changed, last]).await;
    let outcomes: Vec<_> = confirmed.iter().map(outcome).collect();
    assert_eq!([&outcomes[0], &outcomes[3]], [&Ok(Some(())); 2]);
    let came_second = outcomes.iter().find_map(|outcome| outcome.err()).unwrap();
    let refusals = [
        Code::PaymentOperationInProgress,
        Code::PaymentNotUnconfirmed,
    ];
    assert!(refusals.map(Some).contains(&came_second), "{came_second:?}");
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_err()).count(),
        1
    );
    for order in [first, changed, last] {
        assert_eq!(app.sale_of(&order.to_string()).await["fixed_times"], 1);
        assert!(app.payment_is(order, "confirmed").await);
    }
}

#[actix_web::test]
async fn one_that_another_process_took_over_is_left_to_it_and_the_others_are_settled() {
    let app = TestApp::with_paid().await;
    let [first, lost, last] = app.three_orders().await;
    let slow = json!({ "operation": "fix", "kind": "delay", "times": 3, "delay_ms": 1500 });
    app.sandbox.fault_with(slow).await;
    let orders = [first, lost, last];
    let confirming = app.confirm_many(&orders);
    let taking_over = async {
        app.when(async || app.sandbox.in_flight().await == 3).await;
        app.let_time_pass(TimeDelta::seconds(61)).await;
        let mut conn = app.app.db().await.unwrap();
        let store = app.store.store_id;
        let open = operation::open_on_order(store, lost, &conn).await.unwrap();
        let id = open.unwrap().id;
        let claimed = operation::claim(store, id, lease::new(&app.app), &mut conn).await;
        claimed.unwrap().unwrap()
    };
    let (confirmed, taken) = tokio::join!(confirming, taking_over);
    let outcomes: Vec<_> = confirmed.iter().map(outcome).collect();
    assert_eq!(outcomes, [Ok(Some(())), Ok(None), Ok(Some(()))]);
    assert!(app.payment_is(lost, "unconfirmed").await);
    // It asks first, and finds what the other has sent.
    kakeuri::workflows::drive::drive(&app.app, taken)
        .await
        .unwrap();
    for order in orders {
        assert_eq!(app.sale_of(&order.to_string()).await["fixed_times"], 1);
        assert!(app.payment_is(order, "confirmed").await);
    }
    assert_eq!(app.calls_of("fix").await, 3);
}

#[actix_web::test]
async fn an_answer_that_nobody_understands_is_flagged_on_the_one_it_is_about() {
    let app = TestApp::with_paid().await;
    let [first, odd, last] = app.three_orders().await;
    let key = app.key_of(&odd.to_string()).await;
    let refusal =
        json!({ "operation": "fix", "kind": "refuse", "code": "E77", "times": 1, "key": key });
    app.sandbox.fault_with(refusal).await;
    let confirmed = app.confirm_many(&[first, odd, last]).await;
    assert_eq!(outcome(&confirmed[0]), Ok(Some(())));
    assert_eq!(outcome(&confirmed[2]), Ok(Some(())));
    let listed = app
        .admin()
        .get("/v1/admin/reconciliation")
        .await
        .expect(200);
    let listed = listed.body["data"].as_array().unwrap().clone();
    let about: Vec<_> = listed.iter().map(|item| &item["subject"]["id"]).collect();
    assert_eq!(about, [&json!(odd)]);
}

#[actix_web::test]
async fn each_is_checked_for_itself() {
    let app = TestApp::with_paid().await;
    let [first, elsewhere, last] = app.three_orders().await;
    let key = app.key_of(&elsewhere.to_string()).await;
    app.sandbox.delete_sale(&key).await;
    let unknown = OrderId::new();
    let confirmed = app.confirm_many(&[first, unknown, elsewhere, last]).await;
    let outcomes: Vec<_> = confirmed.iter().map(outcome).collect();
    assert_eq!(
        outcomes,
        [
            Ok(Some(())),
            Err(Some(Code::NotFound)),
            Err(Some(Code::MissingAtPaid)),
            Ok(Some(()))
        ]
    );
    // What was found out stays, though nothing was asked.
    let causes = app.causes_of(&elsewhere.to_string()).await;
    assert_eq!(causes, ["missing_at_paid"]);
}
