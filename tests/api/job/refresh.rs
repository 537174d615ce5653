//! Refreshing by the thousand, members and payments, a portion at a time.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::{Either, join_all, select};
use kakeuri::db::application;
use kakeuri::db::json::Json;
use kakeuri::db::member::{self, Member};
use kakeuri::db::payment::Payment;
use kakeuri::db::together::Together;
use kakeuri::db::{event, order, payment};
use kakeuri::domain::application::ApplicationStatus;
use kakeuri::domain::operation::LastError;
use kakeuri::domain::payment::PaymentStatus;
use kakeuri::domain::{MemberId, OrderId, PaidKey, Yen};
use kakeuri::paid::ReadFailure;
use kakeuri::texts::Text;
use kakeuri::workflows;
use kakeuri::workflows::application::RefreshedApplication;
use kakeuri::workflows::payment::refresh::{self, RefreshedPayment};
use serde_json::{Value, json};

use crate::durable::settle::Ask;
use crate::support::TestApp;

fn key(letter: char, number: usize) -> PaidKey {
    PaidKey::parse(&format!("{letter}-{number:05}")).unwrap()
}

impl TestApp {
    /// Members with the customer numbers `M-00000` and so on, as many as the statuses are told at Paid; `None` is one
    /// that Paid does not know.
    async fn members_at_paid(
        &self,
        told: &[Option<&str>],
        change: impl Fn(usize, &mut Member),
    ) -> Vec<MemberId> {
        let conn = &mut *self.app.db().await.unwrap();
        let mut ids = Vec::new();
        for number in 0..told.len() {
            let mut member = self.fresh_member();
            member.customer_number = Some(key('M', number));
            member.submitted_at = Some(member.created_at);
            change(number, &mut member);
            member::insert(&member, conn).await.unwrap();
            ids.push(member.id);
        }
        let at_paid = |(number, status): (usize, &Option<&str>)| {
            status.map(|status| json!({ "b2bMemberId": key('M', number), "status": status }))
        };
        self.sandbox
            .set_members(told.iter().enumerate().filter_map(at_paid).collect())
            .await;
        ids
    }

    async fn linked_members(&self, count: usize) -> Vec<MemberId> {
        self.members_at_paid(&vec![Some("approved_active"); count], |_, _| ())
            .await
    }

    /// Refreshes one portion.
    async fn refresh_portion(&self, ids: &[MemberId]) -> Vec<(MemberId, RefreshedApplication)> {
        workflows::application::refresh_many(&self.app, self.store.store_id, ids, "test")
            .await
            .unwrap()
    }

    async fn rows(&self, ids: &[MemberId]) -> HashMap<MemberId, Member> {
        let conn = self.app.db().await.unwrap();
        let found = member::find_many(self.store.store_id, ids, &conn)
            .await
            .unwrap();
        found
            .into_iter()
            .map(|member| (member.id, member))
            .collect()
    }

    /// What the log says of each thing, oldest first.
    async fn news(&self) -> BTreeMap<uuid::Uuid, Vec<String>> {
        let conn = self.app.db().await.unwrap();
        let filter = event::Filter::default();
        let events = event::between(self.store.store_id, 0, i64::MAX, &filter, 100_000, &conn)
            .await
            .unwrap();
        let mut log: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for event in events {
            log.entry(event.subject_id).or_default().push(event.kind);
        }
        log
    }

    /// Unconfirmed orders of 1,100 yen, with sales at Paid under the keys `S-00000` and so on.
    async fn orders_at_paid(
        &self,
        count: usize,
        change: impl Fn(usize, &mut Payment),
    ) -> Vec<OrderId> {
        let buyer = self.approved_member().await;
        let placed: OrderId = self
            .place(buyer, 1000)
            .await
            .expect(201)
            .text_at("/id")
            .parse()
            .unwrap();
        let number = self.customer_number(buyer).await;
        self.sandbox
            .set_members(vec![
                json!({ "b2bMemberId": number, "credit_line": 1_000_000_000_000_i64 }),
            ])
            .await;
        let conn = &mut *self.app.db().await.unwrap();
        let model = order::lock(self.store.store_id, placed, conn)
            .await
            .unwrap()
            .unwrap();
        let paid = payment::lock(self.store.store_id, placed, conn)
            .await
            .unwrap()
            .unwrap();
        let (mut ids, mut sales) = (Vec::new(), Vec::new());
        for place in 0..count {
            let id = OrderId::new();
            let order = order::Order {
                id,
                number: format!("B{place}"),
                ..model.clone()
            };
            let mut payment = Payment {
                order_id: id,
                credit_key: key('S', place),
                ..paid.clone()
            };
            change(place, &mut payment);
            let changes = Together::new().and(order::creation(&order));
            changes
                .and(payment::creation(&payment))
                .make(conn)
                .await
                .unwrap();
            ids.push(id);
            sales.push((key('S', place).as_str().to_owned(), 1100));
        }
        self.sandbox.register_sales(&number, &sales).await;
        ids
    }

    async fn refresh_orders(&self, ids: &[OrderId]) -> Vec<(OrderId, RefreshedPayment)> {
        refresh::refresh_many(&self.app, self.store.store_id, ids, "test")
            .await
            .unwrap()
    }
}

fn old_refusal(member: &mut Member, code: &str) {
    let (codes, message) = (
        vec![code.to_owned()],
        Text::of("paid-knows-no-customer-with-this-number"),
    );
    member.application.last_error = Some(Json(LastError {
        codes,
        message,
        at: member.created_at,
    }));
}

/// What member number so-and-so of the thousand is at Paid, and what it is here.
fn one_of_the_thousand(number: usize) -> (Option<&'static str>, ApplicationStatus) {
    use ApplicationStatus::{ApprovedActive, Pending, Submitted};
    match number % 8 {
        0 => (Some("approved_active"), Submitted),
        1 => (Some("declined"), Submitted),
        // Its number is not in the mapping.
        2 => (Some("approved_inactive"), ApprovedActive),
        3 => (None, Submitted),
        4 => (Some("declined"), Pending),
        5 => (Some("approved_active"), Pending),
        6 => (Some("approved_active"), ApprovedActive),
        _ => (None, Pending),
    }
}

#[actix_web::test]
async fn a_thousand_members_each_get_what_paid_says_of_them() {
    use ApplicationStatus::{ApprovedActive, ApprovedInactive, Declined, Pending, Submitted};
    let mapping = "1:under_review,2:approved_active,4:declined";
    let app = TestApp::with_paid_and(&[
        ("KAKEURI_PAID_STATUS_MAP", mapping),
        ("KAKEURI_PAID_RATE", "0"),
    ])
    .await;
    let told: Vec<_> = (0..1000)
        .map(|number| one_of_the_thousand(number).0)
        .collect();
    let members = app
        .members_at_paid(&told, |number, member| {
            member.application.status = one_of_the_thousand(number).1;
            match number % 8 {
                0 | 4 => old_refusal(member, "B16"),
                3 => old_refusal(member, "C02"),
                _ => {}
            }
        })
        .await;
    let before = app.rows(&members).await;
    app.let_time_pass(chrono::TimeDelta::minutes(5)).await;
    // These three are asked about together, and answered late.
    let [silent, changed, deleted] = [8, 16, 24].map(|place: usize| members[place]);
    app.sandbox
        .fault_with(
            json!({ "operation": "check", "kind": "leave_out", "key": key('M', 8), "times": 1, "delay_ms": 700 }),
        )
        .await;
    let meanwhile = async {
        app.when(async || app.calls_of("check").await > 0).await;
        let path = |member| format!("/v1/admin/members/{member}");
        app.admin()
            .patch(&path(changed), json!({ "city": "川崎市" }))
            .await
            .expect(200);
        app.admin().delete(&path(deleted)).await.expect(204);
    };
    let (outcomes, ()) = futures_util::join!(app.refresh_portion(&members), meanwhile);
    assert!(
        outcomes.iter().map(|(id, _)| id).eq(&members),
        "in the order of the question"
    );
    let (after, log, now) = (
        app.rows(&members).await,
        app.news().await,
        app.app.clock.now(),
    );
    for (number, (id, outcome)) in outcomes.into_iter().enumerate() {
        let (row, old, news) = (
            after.get(&id),
            &before[&id],
            log.get(&id.0).cloned().unwrap_or_default(),
        );
        if id == deleted {
            assert_eq!((outcome, row.is_none()), (RefreshedApplication::Gone, true));
            continue;
        }
        let row = row.unwrap();
        if id == silent {
            assert_eq!(
                (outcome, row.version, row.application.checked_at),
                (RefreshedApplication::Unknown, old.version, None)
            );
            continue;
        }
        if id == changed {
            assert_eq!(
                (outcome, row.application.status),
                (RefreshedApplication::Read(Submitted), Submitted)
            );
            assert_eq!(
                (row.version, row.application.checked_at),
                (old.version + 1, None),
                "the answer was discarded"
            );
            continue;
        }
        let (status, read, error) = match number % 8 {
            0 => (ApprovedActive, true, None),
            1 => (Declined, true, None),
            2 => (ApprovedInactive, true, None),
            3 => (Submitted, false, Some("C02")),
            4 => (Pending, true, Some("B16")),
            5 | 6 => (ApprovedActive, true, None),
            _ => (Pending, false, Some("C02")),
        };
        let expected = if read {
            RefreshedApplication::Read(status)
        } else {
            RefreshedApplication::Refused(["C02"].into_iter().collect())
        };
        assert_eq!(
            (number, outcome, row.application.status),
            (number, expected, status)
        );
        let codes = row
            .application
            .last_error
            .as_ref()
            .map(|error| error.0.codes.join(","));
        assert_eq!((number, codes.as_deref()), (number, error));
        assert_eq!(
            (number, row.version, row.application.checked_at),
            (number, old.version + 1, Some(now))
        );
        assert_eq!(
            row.application.reported_status.as_deref(),
            (number % 8 == 2).then_some("3")
        );
        let quiet = matches!(number % 8, 3 | 4 | 6);
        assert_eq!(
            (number, row.updated_at == old.updated_at),
            (number, quiet),
            "moves only with news"
        );
        let told: &[&str] = match number % 8 {
            0 | 1 | 5 => &["application.changed"],
            // A number that the mapping does not know needs a human.
            2 => &["application.changed", "application.flagged"],
            _ => &[],
        };
        let news: Vec<&str> = news.iter().map(String::as_str).collect();
        assert_eq!((number, &news[..]), (number, told));
    }
    assert_eq!(app.calls_of("check").await, 20);
    assert!(app.sandbox.most_in_flight().await <= 4);
}

#[actix_web::test]
async fn a_refused_auth_code_stops_the_portion_and_not_what_was_read_before() {
    let app = TestApp::with_paid_and(&[
        ("KAKEURI_PAID_CONCURRENCY", "1"),
        ("KAKEURI_PAID_BATCH", "10"),
    ])
    .await;
    let members = app.linked_members(50).await;
    app.sandbox
        .fault_with(json!({ "operation": "check", "kind": "auth", "key": key('M', 25) }))
        .await;
    let outcomes = app.refresh_portion(&members).await;
    for (place, (_, outcome)) in outcomes.iter().enumerate() {
        match outcome {
            RefreshedApplication::Read(ApplicationStatus::ApprovedActive) => assert!(place < 20),
            RefreshedApplication::Failed(ReadFailure::AuthFailed(codes)) => {
                assert!(place >= 20 && codes.contains("A02"))
            }
            other => panic!("{place}: {other:?}"),
        }
    }
    assert_eq!(app.calls_of("check").await, 3);
    let settings = app
        .admin()
        .get("/v1/admin/settings/paid")
        .await
        .expect(200)
        .body;
    assert_eq!(settings["health"]["status"], "auth_failed", "{settings}");
}

#[actix_web::test]
async fn a_batch_without_an_answer_costs_only_its_own_members_theirs() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_BATCH", "10")]).await;
    let members = app.linked_members(40).await;
    app.sandbox
        .fault_with(json!({ "operation": "check", "kind": "http_500", "key": key('M', 15) }))
        .await;
    let outcomes = app.refresh_portion(&members).await;
    for (place, (_, outcome)) in outcomes.into_iter().enumerate() {
        let silent = (10..20).contains(&place);
        let expected = if silent {
            RefreshedApplication::Unknown
        } else {
            RefreshedApplication::Read(ApplicationStatus::ApprovedActive)
        };
        assert_eq!((place, outcome), (place, expected));
    }
    let unread = app
        .rows(&members)
        .await
        .into_values()
        .filter(|member| member.application.checked_at.is_none())
        .count();
    assert_eq!(unread, 10);
}

#[actix_web::test]
async fn a_store_never_has_more_batches_under_way_than_it_may() {
    let settings = [
        ("KAKEURI_PAID_CONCURRENCY", "3"),
        ("KAKEURI_PAID_BATCH", "5"),
        ("KAKEURI_PAID_RATE", "0"),
    ];
    let app = TestApp::with_paid_and(&settings).await;
    let members = app.linked_members(120).await;
    app.sandbox
        .fault_with(json!({ "operation": "check", "kind": "delay", "delay_ms": 30 }))
        .await;
    join_all(
        members
            .chunks(30)
            .map(|portion| app.refresh_portion(portion)),
    )
    .await;
    assert_eq!(
        (
            app.calls_of("check").await,
            app.sandbox.most_in_flight().await
        ),
        (24, 3)
    );
}

#[actix_web::test]
async fn a_single_refresh_does_not_wait_for_a_bulk_one() {
    let app = TestApp::with_paid_and(&[
        ("KAKEURI_PAID_CONCURRENCY", "1"),
        ("KAKEURI_PAID_BATCH", "1"),
    ])
    .await;
    let members = app.linked_members(6).await;
    let other = app.linked_member(|_| ()).await;
    for number in 0..6 {
        let fault = json!({ "operation": "check", "kind": "delay", "delay_ms": 1500, "key": key('M', number) });
        app.sandbox.fault_with(fault).await;
    }
    let single = async {
        app.when(async || app.calls_of("check").await > 0).await;
        app.refresh(other).await.expect(200)
    };
    match select(Box::pin(app.refresh_portion(&members)), Box::pin(single)).await {
        Either::Right((read, _)) => {
            assert_eq!(read.body["paid"]["application_status"], "approved_active")
        }
        Either::Left(_) => panic!("the single refresh came last"),
    }
}

#[actix_web::test]
async fn five_hundred_payments_each_get_what_paid_shows_of_them() {
    use PaymentStatus::{Cancelled, Confirmed, Unconfirmed};
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_RATE", "0")]).await;
    let mut orders = app
        .orders_at_paid(500, |place, payment| match place {
            3 => payment.status = Confirmed,
            6 => payment.flag(
                kakeuri::domain::payment::PaymentFlag::MissingAtPaid,
                None,
                payment.created_at,
            ),
            7 => payment.merchant_id = "999".into(),
            _ => {}
        })
        .await;
    for (place, change) in [
        (0, json!({ "status": "FIXED" })),
        (1, json!({ "status": "CANCELED" })),
        (2, json!({ "price": 700 })),
    ] {
        app.sandbox.set_sale(key('S', place).as_str(), change).await;
    }
    app.sandbox.delete_sale(key('S', 4).as_str()).await;
    let open = app.unconfirmed_order().await;
    app.sandbox.fault("fix", "drop_answer", 1).await;
    Ask::Confirm.ask(&app.admin(), &open).await.expect(202);
    let changed = orders[10];
    orders.push(open.parse().unwrap());
    orders.push(OrderId::new());
    let path = format!("/v1/admin/orders/{}", orders[20]);
    let before = app.admin().get(&path).await.expect(200);
    app.let_time_pass(chrono::TimeDelta::minutes(5)).await;
    app.sandbox
        .fault_with(
            json!({ "operation": "search", "kind": "leave_out", "key": key('S', 11), "times": 1, "delay_ms": 900 }),
        )
        .await;
    let meanwhile = async {
        app.when(async || app.calls_of("search").await > 2).await;
        Ask::Cancel
            .ask(&app.admin(), &changed.to_string())
            .await
            .expect(200);
    };
    let (outcomes, ()) = futures_util::join!(app.refresh_orders(&orders), meanwhile);
    let shown = async |id: OrderId| app.order(&id.to_string()).await;
    let log = app.news().await;
    for (place, (id, outcome)) in outcomes.iter().enumerate() {
        let expected = match place {
            4 => RefreshedPayment::Missing,
            7 | 501 => RefreshedPayment::NoPayment,
            11 => RefreshedPayment::Unknown,
            500 => RefreshedPayment::DrivenOn,
            _ => RefreshedPayment::Adopted,
        };
        assert_eq!((place, outcome), (place, &expected));
        let news = match place {
            0..=2 => vec!["payment.found_at_paid"],
            3 | 4 => vec!["payment.flagged"],
            10 | 500 => continue,
            _ => vec![],
        };
        assert_eq!(
            (place, log.get(&id.0).cloned().unwrap_or_default()),
            (place, news.iter().map(ToString::to_string).collect())
        );
    }
    let paid = async |place: usize| shown(orders[place]).await["payment"].clone();
    let told = |payment: &Value| {
        (
            payment["status"].clone(),
            payment["amount"].clone(),
            payment["flag"].clone(),
        )
    };
    for (place, status, amount) in [
        (0, Confirmed, 1100),
        (1, Cancelled, 1100),
        (2, Unconfirmed, 700),
        (3, Confirmed, 1100),
        (6, Unconfirmed, 1100),
    ] {
        let payment = paid(place).await;
        assert_eq!(
            (place, told(&payment).0, told(&payment).1),
            (place, json!(status), json!(Yen(amount)))
        );
        assert!(payment["checked_at"].is_string());
    }
    assert!(paid(0).await["fixed_on"].is_string() && paid(1).await["cancelled_at"].is_string());
    assert_eq!(
        paid(10).await["status"],
        "cancelled",
        "what was done meanwhile stands"
    );
    assert_eq!(paid(11).await["checked_at"], json!(null));
    assert_eq!(app.causes_of(&orders[3].to_string()).await, ["moved_back"]);
    assert_eq!(
        app.causes_of(&orders[4].to_string()).await,
        ["missing_at_paid"]
    );
    assert_eq!(
        app.causes_of(&orders[6].to_string()).await,
        Vec::<String>::new(),
        "the flag went"
    );
    let after = app.admin().get(&path).await.expect(200);
    assert_ne!(
        after.header("etag"),
        before.header("etag"),
        "the order shows when its payment was checked"
    );
    app.work().await;
    assert_eq!(
        shown(orders[500]).await["payment"]["status"],
        "confirmed",
        "its confirmation was made due at once"
    );
}

#[actix_web::test]
async fn a_refused_auth_code_leaves_payments_as_they_are() {
    let app = TestApp::with_paid_and(&[
        ("KAKEURI_PAID_CONCURRENCY", "1"),
        ("KAKEURI_PAID_BATCH", "10"),
    ])
    .await;
    let orders = app.orders_at_paid(30, |_, _| ()).await;
    app.sandbox
        .fault_with(json!({ "operation": "search", "kind": "http_500", "key": key('S', 5) }))
        .await;
    app.sandbox
        .fault_with(json!({ "operation": "search", "kind": "auth", "key": key('S', 15) }))
        .await;
    for (place, (_, outcome)) in app.refresh_orders(&orders).await.into_iter().enumerate() {
        match outcome {
            RefreshedPayment::Unknown => assert!(place < 10),
            RefreshedPayment::Failed(ReadFailure::AuthFailed(_)) => assert!(place >= 10),
            other => panic!("{place}: {other:?}"),
        }
    }
}

#[actix_web::test]
async fn a_portion_of_another_store_finds_nothing() {
    let app = TestApp::with_paid().await;
    let members = app.linked_members(3).await;
    let other = app.another_store().await.store_id;
    let outcomes = workflows::application::refresh_many(&app.app, other, &members, "test")
        .await
        .unwrap();
    assert!(
        outcomes
            .iter()
            .all(|(_, outcome)| *outcome == RefreshedApplication::Gone)
    );
    let conn = app.app.db().await.unwrap();
    assert!(
        application::find_many(other, &members, &conn)
            .await
            .unwrap()
            .is_empty()
    );
}
