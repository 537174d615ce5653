//! A server that answers what Paid never should, and the client that must not be fooled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, http::StatusCode, web};

use super::{SECRET, account, key};
use crate::domain::application::ApplicationStatus;
use crate::domain::settlement::{Sale, SaleStatus};
use crate::domain::{PaidKey, Yen};
use crate::paid::{
    Account, Answer, Client, Codes, Config, Endpoint, Inquiry, ReadFailure, StatusAnswer, body,
};

/// Serves one answer for every path, and counts the calls.
async fn serve(status: u16, answer: &str) -> (Account, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let (count, answer) = (calls.clone(), answer.to_owned());
    let server = HttpServer::new(move || {
        let (count, answer) = (count.clone(), answer.clone());
        App::new().default_service(web::to(move || {
            count.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            async move { HttpResponse::build(StatusCode::from_u16(status).unwrap()).body(answer) }
        }))
    });
    let server = server
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    (account(address), calls)
}

fn client() -> Client {
    Client::new(Config {
        timeout: Duration::from_secs(5),
        ..Config::default()
    })
}

fn sale_key() -> PaidKey {
    key("sale-1")
}

async fn register(status: u16, answer: &str) -> Answer {
    let (account, calls) = serve(status, answer).await;
    let body = body::register(&key("member-1"), "1001", "商品", Yen(1000), &sale_key());
    let call = client()
        .send(&account, Endpoint::Register, &sale_key(), &body)
        .await;
    assert_eq!(
        calls.load(Ordering::SeqCst),
        1,
        "a call that moves money goes once"
    );
    assert_eq!(call.http_status, Some(status));
    assert!(!format!("{call:?}").contains(SECRET));
    call.answer
}

#[actix_web::test]
async fn what_is_no_clear_answer_leaves_the_outcome_unknown() {
    let answers = [
        (200, "<html>maintenance</html>"),
        (200, ""),
        (200, "[]"),
        (200, "{}"),
        (200, "null"),
        (200, r#"{"header":{"status":"SUCC"#),
        (200, r#"{"header":{"status":"SUCCESS"}}"#),
        (200, r#"{"header":{"status":"SUCCESS"},"body":{}}"#),
        (200, r#"{"header":{"status":"SUCCESS"},"body":""}"#),
        (
            200,
            r#"{"header":{"status":"SUCCESS"},"body":{"detailResults":[]}}"#,
        ),
        (
            200,
            r#"{"header":{"status":"SUCCESS"},"body":{"detailResults":{"detailResult":[]}}}"#,
        ),
        (
            200,
            r#"{"header":{"status":"SUCCESS"},"body":{"detailResults":{"detailResult":[{"status":"SUCCESS","b2bCreditId":"sale-2"}]}}}"#,
        ),
        (
            200,
            r#"{"header":{"status":"ERROR"},"body":{"detailResults":{"detailResult":[{"status":"SUCCESS","b2bCreditId":"sale-1"}]}}}"#,
        ),
        (
            200,
            r#"{"header":{"status":"SUCCESS"},"body":{"detailResults":{"detailResult":[{"b2bCreditId":"sale-1"}]}}}"#,
        ),
        (
            200,
            r#"{"header":{"status":"SUCCESS"},"body":{"detailResults":{"detailResult":[{"status":"SUCCESS","b2bCreditId":"sale-1"},{"status":"ERROR","b2bCreditId":"sale-1"}]}}}"#,
        ),
        (200, r#"{"header":{"status":"CLIENT_ERROR"},"body":{}}"#),
        (
            200,
            r#"{"header":{"status":"ERROR"},"body":{"detailResults":{"detailResult":[{"status":"DENIED","b2bCreditId":"sale-1","error":[]}]}}}"#,
        ),
        (
            200,
            r#"{"header":{"status":"ERROR"},"body":{"result":{"error":["D01"]}}}"#,
        ),
        (
            200,
            r#"{"header":{"status":"ERROR"},"body":{"detailResults":{"detailResult":[{"status":"ERROR","b2bCreditId":"sale-1","error":["D01"]}]}}}"#,
        ),
        (
            500,
            r#"{"header":{"status":"SUCCESS"},"body":{"detailResults":{"detailResult":[{"status":"SUCCESS","b2bCreditId":"sale-1"}]}}}"#,
        ),
        (302, ""),
        (404, ""),
    ];
    for (status, answer) in answers {
        match register(status, answer).await {
            Answer::Unknown(unknown) => assert!(unknown.may_have_arrived, "{status} {answer}"),
            other @ (Answer::Done { .. } | Answer::Refused(_)) => {
                panic!("{status} {answer} was read as {other:?}")
            }
        }
    }
}

#[actix_web::test]
async fn a_refusal_keeps_its_codes_wherever_they_stand() {
    let item = |item: &str| {
        format!(
            r#"{{"header":{{"status":"ERROR"}},"body":{{"detailResults":{{"detailResult":[{item}]}}}}}}"#
        )
    };
    for (answer, codes) in [
        (
            r#"{"header":{"status":"CLIENT_ERROR"},"body":{"result":{"error":["A02"]}}}"#
                .to_owned(),
            vec!["A02"],
        ),
        (
            r#"{"header":{"status":"CLIENT_ERROR","error":["A01"]},"body":null}"#.to_owned(),
            vec!["A01"],
        ),
        (
            r#"{"header":{"status":"CLIENT_ERROR"},"body":{"error":"A03"}}"#.to_owned(),
            vec!["A03"],
        ),
        (
            item(r#"{"status":"ERROR","b2bCreditId":"sale-1","error":["C01"]}"#),
            vec!["C01"],
        ),
        (
            item(r#"{"status":"NOT_FOUND","b2bCreditId":"sale-1"}"#),
            vec!["NOT_FOUND"],
        ),
        (
            item(r#"{"status":"ERROR","b2bCreditId":"sale-1","error":[{"code":"Z99"}]}"#),
            vec!["Z99"],
        ),
        (
            item(&format!(
                r#"{{"status":"ERROR","b2bCreditId":"sale-1","error":["{SECRET}"]}}"#
            )),
            vec!["[redacted]"],
        ),
    ] {
        let expected: Codes = codes.into_iter().collect();
        assert_eq!(
            register(200, &answer).await,
            Answer::Refused(expected),
            "{answer}"
        );
    }
}

#[actix_web::test]
async fn one_item_instead_of_a_list_and_an_item_without_its_key_are_understood() {
    for answer in [
        r#"{"header":{"status":"SUCCESS"},"body":{"detailResults":{"detailResult":{"status":"SUCCESS","b2bCreditId":"sale-1"}}}}"#,
        r#"{"header":{"status":"SUCCESS"},"body":{"detailResults":{"detailResult":[{"status":"SUCCESS"}]}}}"#,
    ] {
        assert_eq!(register(200, answer).await, Answer::Done { paid_id: None });
    }
}

#[actix_web::test]
async fn an_application_is_done_only_for_our_number() {
    let send = async |answer: &str| {
        let (account, _) = serve(200, answer).await;
        let body = body::apply(&Default::default());
        client()
            .send(&account, Endpoint::Apply, &key("7"), &body)
            .await
            .answer
    };
    let done =
        send(r#"{"header":{"status":"SUCCESS"},"body":{"result":{"paidId":123,"b2bMemberId":7}}}"#)
            .await;
    assert_eq!(
        done,
        Answer::Done {
            paid_id: Some("123".to_owned())
        }
    );
    for unclear in [
        r#"{"header":{"status":"SUCCESS"},"body":{"result":{"paidId":123,"b2bMemberId":"8"}}}"#,
        r#"{"header":{"status":"CLIENT_ERROR"},"body":{"result":{"paidId":123,"b2bMemberId":"7"}}}"#,
        r#"{"header":{"status":"SUCCESS"},"body":{"result":[]}}"#,
    ] {
        assert!(
            matches!(send(unclear).await, Answer::Unknown(_)),
            "{unclear}"
        );
    }
    let refused =
        send(r#"{"header":{"status":"SUCCESS"},"body":{"result":{"error":["B45"]}}}"#).await;
    assert_eq!(refused, Answer::Refused(Codes::one("B45")));
}

#[actix_web::test]
async fn both_lists_are_read_whatever_the_header_says() {
    let answer = r#"{"header":{"status":"CLIENT_ERROR"},"body":{"results":{
        "successes":[{"b2bMemberId":1,"memberStatusCode":"2"},{"b2bMemberId":"2","memberStatusCode":9}],
        "errors":{"b2bMemberId":"3","error":"C02"}}}}"#;
    let (account, _) = serve(200, answer).await;
    let keys: Vec<_> = ["1", "2", "3", "4"].map(key).into();
    let found = client().status(&account, &keys, None).await.result.unwrap();
    let StatusAnswer::Reported(first) = &found[&keys[0]] else {
        panic!("{found:?}")
    };
    assert_eq!(first.status, Some(ApplicationStatus::ApprovedActive));
    let StatusAnswer::Reported(second) = &found[&keys[1]] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (second.raw.as_str(), second.status),
        ("9", None),
        "an unknown number may never pay"
    );
    assert_eq!(found[&keys[2]], StatusAnswer::Refused(Codes::one("C02")));
    assert_eq!(found[&keys[3]], StatusAnswer::Unclear);
}

#[actix_web::test]
async fn an_inquiry_that_cannot_be_understood_is_unclear_and_not_missing() {
    let answer = r#"{"header":{"status":"SUCCESS"},"body":{"results":{
        "successes":[{"b2bCreditId":"a","status":"FIXED","price":"1200"},{"b2bCreditId":"b","status":"MELTED","price":1},
                     {"b2bCreditId":"c","status":"FIXED","price":"1.5"}],
        "errors":[{"b2bCreditId":"d","error":["NOT_FOUND"]},{"b2bCreditId":"e","error":["Z1"]}]}}}"#;
    let (account, _) = serve(200, answer).await;
    let keys: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(key).into();
    let found = client().sales(&account, &keys, None).await.result.unwrap();
    let fixed = Sale {
        status: SaleStatus::Fixed,
        price: Yen(1200),
    };
    assert_eq!(found[&keys[0]], Inquiry::Found(fixed));
    assert_eq!(found[&keys[3]], Inquiry::NotFound);
    for unclear in [1, 2, 4, 5] {
        assert!(
            matches!(found[&keys[unclear]], Inquiry::Unclear(_)),
            "{found:?}"
        );
    }
}

#[actix_web::test]
async fn a_refused_request_for_one_sale_is_about_that_sale() {
    let one = [key("a")];
    for (answer, expected) in [
        (
            r#"{"header":{"status":"CLIENT_ERROR"},"body":{"result":{"error":["C02"]}}}"#,
            Inquiry::NotFound,
        ),
        (
            r#"{"header":{"status":"CLIENT_ERROR"},"body":{"error":["NOT_FOUND"]}}"#,
            Inquiry::NotFound,
        ),
        (
            r#"{"header":{"status":"NOT_FOUND"},"body":{}}"#,
            Inquiry::NotFound,
        ),
        (
            r#"{"header":{"status":"CLIENT_ERROR"},"body":{"error":["Z99"]}}"#,
            Inquiry::Unclear(Codes::one("Z99")),
        ),
    ] {
        let (account, _) = serve(200, answer).await;
        let found = client().sales(&account, &one, None).await.result.unwrap();
        assert_eq!(found[&one[0]], expected, "{answer}");
        // Of several it is not known which is meant.
        let several = [key("a"), key("b")];
        assert!(matches!(
            client().sales(&account, &several, None).await.result,
            Err(ReadFailure::Rejected(_))
        ));
    }
    let (account, _) = serve(
        200,
        r#"{"header":{"status":"CLIENT_ERROR"},"body":{"error":["C02"]}}"#,
    )
    .await;
    let found = client().status(&account, &one, None).await.result.unwrap();
    assert_eq!(found[&one[0]], StatusAnswer::Refused(Codes::one("C02")));
}

#[actix_web::test]
async fn credit_is_available_only_on_a_plain_yes() {
    for (answer, available) in [
        (
            r#"{"header":{"status":"SUCCESS"},"body":{"result":{"creditAvailable":"true","memberStatusCode":"2"}}}"#,
            true,
        ),
        (
            r#"{"header":{"status":"SUCCESS"},"body":{"result":{"creditAvailable":false,"message":"与信枠"}}}"#,
            false,
        ),
        (
            r#"{"header":{"status":"ERROR"},"body":{"result":{"creditAvailable":true}}}"#,
            false,
        ),
        (
            r#"{"header":{"status":"CLIENT_ERROR"},"body":{"result":{"error":["C02"]}}}"#,
            false,
        ),
        (
            r#"{"header":{"status":"CLIENT_ERROR"},"body":{"result":{"message":"no"}}}"#,
            false,
        ),
    ] {
        let (account, _) = serve(200, answer).await;
        let read = client()
            .credit_check(&account, &key("1"), Yen(100), None)
            .await;
        assert_eq!(read.result.unwrap().available, available, "{answer}");
    }
}

#[actix_web::test]
async fn a_read_is_tried_again_and_then_given_up() {
    for (status, answer) in [
        (500, ""),
        (200, "<html>"),
        (
            200,
            r#"{"header":{"status":"ERROR"},"body":{"error":["D01"]}}"#,
        ),
    ] {
        let (account, calls) = serve(status, answer).await;
        let read = client()
            .credit_check(&account, &key("1"), Yen(100), None)
            .await;
        assert!(matches!(read.result, Err(ReadFailure::Unavailable { .. })));
        assert_eq!(calls.load(Ordering::SeqCst), 3);
        assert_eq!(read.attempts.len(), 3);
        assert_eq!(read.attempts[0].http_status, Some(status));
    }
}

#[actix_web::test]
async fn a_refused_read_is_not_tried_again() {
    let (account, calls) = serve(
        200,
        r#"{"header":{"status":"CLIENT_ERROR"},"body":{"error":["A02"]}}"#,
    )
    .await;
    let read = client().status(&account, &[key("1")], None).await;
    assert_eq!(
        read.result.unwrap_err(),
        ReadFailure::AuthFailed(Codes::one("A02"))
    );
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[actix_web::test]
async fn where_nobody_listens_nothing_was_sent() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let body = body::cancel(&key("1"), &sale_key());
    let call = client()
        .send(&account(free), Endpoint::Cancel, &sale_key(), &body)
        .await;
    let Answer::Unknown(unknown) = call.answer else {
        panic!("{:?}", call.answer)
    };
    assert!(!unknown.may_have_arrived);
    assert_eq!(call.http_status, None);
    assert!(!format!("{:?}", account(free)).contains(SECRET));
}
