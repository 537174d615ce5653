//! The client against the sandbox, over real HTTP.

use std::time::Duration;

use chrono::NaiveDate;
use secrecy::SecretString;
use serde_json::json;
use tokio::time::Instant;

use super::{SECRET, account, key, profile};
use crate::domain::application::ApplicationStatus;
use crate::domain::settlement::{Sale, SaleStatus};
use crate::domain::{PaidKey, Yen};
use crate::paid::{
    Account, Answer, Client, Codes, Config, Endpoint, Inquiry, ReadFailure, StatusAnswer,
    application, body,
};

struct Shop {
    client: Client,
    account: Account,
}

impl Shop {
    async fn open(config: Config) -> Self {
        let options = paid_sandbox::Options {
            listen: ([127, 0, 0, 1], 0).into(),
            max_items: 10,
            ..paid_sandbox::Options::default()
        };
        let sandbox = paid_sandbox::start(options).unwrap();
        let account = account(sandbox.address);
        actix_web::rt::spawn(sandbox.run());
        let client = Client::new(config);
        Self { client, account }
    }

    async fn apply(&self, member: &PaidKey, email: &str) -> Answer {
        let data = application::data_of(member, &profile(email));
        self.send(Endpoint::Apply, member, body::apply(&data)).await
    }

    async fn fault(&self, fault: serde_json::Value) {
        let url = format!("{}_sandbox/{SECRET}/faults", self.account.base_url);
        let answer = reqwest::Client::new()
            .post(url)
            .json(&fault)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 201);
    }

    async fn status(&self, member: &PaidKey) -> StatusAnswer {
        let read = self
            .client
            .status(&self.account, std::slice::from_ref(member), None)
            .await;
        read.result.unwrap().remove(member).unwrap()
    }

    async fn sale(&self, sale: &PaidKey) -> Inquiry {
        let read = self
            .client
            .sales(&self.account, std::slice::from_ref(sale), None)
            .await;
        read.result.unwrap().remove(sale).unwrap()
    }

    async fn register(&self, member: &PaidKey, sale: &PaidKey, price: i64) -> Answer {
        let body = body::register(member, "1001", "商品", Yen(price), sale);
        self.send(Endpoint::Register, sale, body).await
    }

    async fn send(&self, operation: Endpoint, sale: &PaidKey, body: serde_json::Value) -> Answer {
        self.client
            .send(&self.account, operation, sale, &body)
            .await
            .answer
    }
}

const DONE: Answer = Answer::Done { paid_id: None };

fn found(status: SaleStatus, price: i64) -> Inquiry {
    Inquiry::Found(Sale {
        status,
        price: Yen(price),
    })
}

#[actix_web::test]
async fn a_sale_goes_from_application_to_receivable() {
    let shop = Shop::open(Config::default()).await;
    let (member, sale) = (key("m1"), key("s1"));
    assert_eq!(
        shop.status(&member).await,
        StatusAnswer::Refused(Codes::one("C02"))
    );
    assert!(matches!(
        shop.apply(&member, "a@x.example").await,
        Answer::Done { paid_id: Some(_) }
    ));
    assert_eq!(
        shop.apply(&member, "a@x.example").await,
        Answer::Refused(Codes::one("C01"))
    );
    assert_eq!(
        shop.apply(&key("m2"), "A@x.example").await,
        Answer::Refused(Codes::one("B45"))
    );
    let StatusAnswer::Reported(status) = shop.status(&member).await else {
        panic!("no status")
    };
    assert_eq!(status.status, Some(ApplicationStatus::ApprovedActive));
    let credit = shop
        .client
        .credit_check(&shop.account, &member, Yen(5000), None)
        .await;
    assert!(credit.result.unwrap().available);
    assert_eq!(shop.register(&member, &sale, 5000).await, DONE);
    assert_eq!(
        shop.register(&member, &sale, 5000).await,
        Answer::Refused(Codes::one("C01"))
    );
    assert_eq!(
        shop.send(
            Endpoint::Update,
            &sale,
            body::amend(&member, &sale, Yen(6000))
        )
        .await,
        DONE
    );
    assert_eq!(shop.sale(&sale).await, found(SaleStatus::Registered, 6000));
    let day = NaiveDate::from_ymd_opt(2026, 4, 1).unwrap();
    let fix = body::confirm(&member, &sale, day);
    assert_eq!(shop.send(Endpoint::Fix, &sale, fix.clone()).await, DONE);
    let not_found = Answer::Refused(Codes::one("NOT_FOUND"));
    assert_eq!(shop.send(Endpoint::Fix, &sale, fix).await, not_found);
    assert_eq!(
        shop.send(Endpoint::Cancel, &sale, body::cancel(&member, &sale))
            .await,
        not_found
    );
    assert_eq!(shop.sale(&sale).await, found(SaleStatus::Fixed, 6000));
    assert_eq!(shop.sale(&key("s2")).await, Inquiry::NotFound);
}

#[actix_web::test]
async fn a_lost_answer_is_unknown_and_an_inquiry_tells_that_it_landed() {
    let shop = Shop::open(Config::default()).await;
    let (member, sale, other) = (key("m1"), key("s1"), key("s2"));
    shop.apply(&member, "a@x.example").await;
    shop.status(&member).await;
    shop.fault(json!({"operation": "register", "kind": "drop_answer", "times": 1}))
        .await;
    let Answer::Unknown(unknown) = shop.register(&member, &sale, 700).await else {
        panic!("the answer was not lost")
    };
    assert!(unknown.may_have_arrived);
    assert_eq!(shop.sale(&sale).await, found(SaleStatus::Registered, 700));
    shop.fault(json!({"operation": "any", "key": "s2", "kind": "drop_connection", "times": 1}))
        .await;
    assert!(matches!(
        shop.register(&member, &other, 700).await,
        Answer::Unknown(_)
    ));
    assert_eq!(shop.sale(&other).await, Inquiry::NotFound);
    for kind in ["http_500", "malformed"] {
        shop.fault(json!({"operation": "cancel", "kind": kind, "times": 1}))
            .await;
        let answer = shop
            .send(Endpoint::Cancel, &sale, body::cancel(&member, &sale))
            .await;
        assert!(matches!(answer, Answer::Unknown(_)), "{kind}");
    }
    assert_eq!(shop.sale(&sale).await, found(SaleStatus::Canceled, 700));
}

#[actix_web::test]
async fn a_late_answer_is_unknown_and_the_work_is_done() {
    let config = Config {
        timeout: Duration::from_millis(400),
        ..Config::default()
    };
    let shop = Shop::open(config).await;
    let (member, sale) = (key("m1"), key("s1"));
    shop.apply(&member, "a@x.example").await;
    shop.status(&member).await;
    shop.fault(json!({"operation": "register", "kind": "delay", "delay_ms": 2000, "times": 1}))
        .await;
    let Answer::Unknown(unknown) = shop.register(&member, &sale, 700).await else {
        panic!("the answer was in time")
    };
    assert!(
        unknown.may_have_arrived && unknown.reason.to_string().contains("in time"),
        "{unknown:?}"
    );
    assert_eq!(shop.sale(&sale).await, found(SaleStatus::Registered, 700));
}

#[actix_web::test]
async fn a_read_that_the_caller_cannot_wait_for_is_handed_back_as_a_try_without_an_answer() {
    let shop = Shop::open(Config::default()).await;
    shop.fault(json!({"operation": "search", "kind": "http_500", "times": 1}))
        .await;
    shop.fault(json!({"operation": "search", "kind": "delay", "delay_ms": 60_000, "times": 1}))
        .await;
    let (keys, deadline) = ([key("s1")], Instant::now() + Duration::from_secs(2));
    let read = shop
        .client
        .sales(&shop.account, &keys, Some(deadline))
        .await;
    assert!(
        matches!(read.result, Err(ReadFailure::Unavailable { .. })),
        "{read:?}"
    );
    let [first, cut_off] = read.attempts.as_slice() else {
        panic!("{read:?}")
    };
    assert_eq!((first.http_status, cut_off.http_status), (Some(500), None));
    assert!(
        cut_off.failure.is_some() && cut_off.duration > Duration::from_millis(100),
        "{cut_off:?}"
    );
    // No time left: nothing is asked, and there is nothing to note.
    let read = shop
        .client
        .sales(&shop.account, &keys, Some(Instant::now()))
        .await;
    assert!(
        matches!(read.result, Err(ReadFailure::Unavailable { .. })) && read.attempts.is_empty()
    );
}

#[actix_web::test]
async fn codes_on_order_arrive_as_they_are() {
    let shop = Shop::open(Config::default()).await;
    let (member, sale) = (key("m1"), key("s1"));
    shop.apply(&member, "a@x.example").await;
    shop.status(&member).await;
    for code in ["A02", "A01", "C01", "Z99", "NOT_FOUND"] {
        shop.fault(json!({"operation": "register", "kind": "refuse", "code": code, "times": 1}))
            .await;
        assert_eq!(
            shop.register(&member, &sale, 700).await,
            Answer::Refused(Codes::one(code))
        );
    }
    shop.fault(json!({"operation": "register", "kind": "refuse", "code": "D01", "times": 1}))
        .await;
    assert!(matches!(
        shop.register(&member, &sale, 700).await,
        Answer::Unknown(_)
    ));
    shop.fault(json!({"operation": "credit_check", "kind": "auth", "times": 1}))
        .await;
    let read = shop
        .client
        .credit_check(&shop.account, &member, Yen(1), None)
        .await;
    assert_eq!(
        read.result.unwrap_err(),
        ReadFailure::AuthFailed(Codes::one("A02"))
    );
    // A read outlives one bad answer.
    shop.fault(json!({"operation": "check", "kind": "refuse", "code": "D01", "times": 1}))
        .await;
    assert!(matches!(
        shop.status(&member).await,
        StatusAnswer::Reported(_)
    ));
}

#[actix_web::test]
async fn a_batch_that_is_too_large_is_halved() {
    let shop = Shop::open(Config::default()).await;
    let keys: Vec<_> = (0..45).map(|number| key(&format!("m{number}"))).collect();
    shop.apply(&keys[44], "a@x.example").await;
    let read = shop.client.status(&shop.account, &keys, None).await;
    let found = read.result.unwrap();
    assert_eq!(found.len(), 45);
    assert!(matches!(found[&keys[44]], StatusAnswer::Reported(_)));
    assert_eq!(found[&keys[0]], StatusAnswer::Refused(Codes::one("C02")));
    // 45, 22 and 11 are refused; then 5 at a time.
    assert_eq!(read.attempts.len(), 3 + 9);
    assert!(read.attempts[0].codes.is_too_many());
}

#[actix_web::test]
async fn a_wrong_auth_code_is_told_apart() {
    let mut shop = Shop::open(Config::default()).await;
    for wrong in ["badcode", "", "with-hyphen"] {
        shop.account.auth_code = SecretString::from(wrong);
        let read = shop.client.status(&shop.account, &[key("m1")], None).await;
        assert_eq!(
            read.result.unwrap_err(),
            ReadFailure::AuthFailed(Codes::one("A02"))
        );
        assert_eq!(
            shop.apply(&key("m1"), "a@x.example").await,
            Answer::Refused(Codes::one("A02"))
        );
    }
}
