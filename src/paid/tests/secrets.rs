//! The auth code goes to Paid and nowhere else.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use secrecy::SecretString;

use super::{SECRET, account, key};
use crate::domain::Yen;
use crate::paid::{Account, Answer, Client, Config, Endpoint, body};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[actix_web::test]
async fn no_log_line_holds_the_auth_code_or_what_was_sold() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // With one dispatcher alone, a log line that another test reaches first would be switched off for all.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    let options = paid_sandbox::Options {
        listen: ([127, 0, 0, 1], 0).into(),
        ..paid_sandbox::Options::default()
    };
    let sandbox = paid_sandbox::start(options).unwrap();
    let account = account(sandbox.address);
    actix_web::rt::spawn(sandbox.run());
    let client = Client::new(Config::default());
    let (member, sale) = (key("m1"), key("s1"));
    let body = body::register(&member, "1001", "TEA SERVICE", Yen(100), &sale);
    client
        .send(&account, Endpoint::Register, &sale, &body)
        .await;
    let read = client.credit_check(&account, &member, Yen(100), None).await;
    client.status(&account, &[member], None).await;
    client.sales(&account, &[sale], None).await;
    tracing::info!(?account, ?client, ?read, "everything there is");
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains("called Paid") && text.contains("asked Paid") && text.contains("C02"),
        "{text}"
    );
    assert!(
        !text.contains(SECRET) && !text.contains("TEA SERVICE"),
        "{text}"
    );
}

#[actix_web::test]
async fn a_short_auth_code_takes_no_meaning_from_a_code_in_which_it_stands_by_chance() {
    let options = paid_sandbox::Options {
        listen: ([127, 0, 0, 1], 0).into(),
        ..paid_sandbox::Options::default()
    };
    let sandbox = paid_sandbox::start(options).unwrap();
    let account = Account {
        auth_code: SecretString::from("1"),
        ..account(sandbox.address)
    };
    actix_web::rt::spawn(sandbox.run());
    let client = Client::new(Config::default());
    let fault = serde_json::json!({"operation": "cancel", "kind": "refuse", "code": "D01"});
    let url = format!("{}_sandbox/1/faults", account.base_url);
    reqwest::Client::new()
        .post(url)
        .json(&fault)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    let sale = key("s1");
    let call = client
        .send(
            &account,
            Endpoint::Cancel,
            &sale,
            &body::cancel(&key("m1"), &sale),
        )
        .await;
    assert!(
        matches!(&call.answer, Answer::Unknown(unknown) if unknown.codes.contains("D01")),
        "{call:?}"
    );
}

#[actix_web::test]
async fn calls_may_run_on_in_a_task_of_their_own() {
    fn is_send<T: Send>(_: T) {}
    let client = Client::new(Config::default());
    let account = account(([127, 0, 0, 1], 1).into());
    let member = key("m1");
    let keys = [member.clone()];
    let body = serde_json::Value::Null;
    is_send(client.send(&account, Endpoint::Cancel, &member, &body));
    is_send(client.status(&account, &keys, None));
    is_send(client.sales(&account, &keys, None));
    is_send(client.credit_check(&account, &member, Yen(1), None));
}
