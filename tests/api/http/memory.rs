//! What a flood takes is bounded while it lasts, and does not stay.

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::process::{self, Process, empty_folder, free_address};
use crate::support::{Client, PASSWORD, TestApp};

const LOGINS: usize = 500;
const AT_ONCE: usize = 32;
/// More would take a minute without optimisation; what is recorded of each is looked at in `http/requests.rs`, by the
/// half million.
const CHEAP_REQUESTS: usize = 100_000;

/// KiB: the blocks of argon2id that are kept, 19 MiB for each of up to four cores, and the rest of the work.
const FOR_LOGINS: u64 = (4 * 19 + 64) * 1024;
const FOR_CHEAP_REQUESTS: u64 = 16 * 1024;

#[actix_web::test]
async fn five_hundred_logins_and_a_hundred_thousand_cheap_requests_leave_little_behind() {
    let app = TestApp::start().await;
    let (folder, address) = (empty_folder("memory"), free_address());
    let settings = [
        ("KAKEURI_LISTEN", address.as_str()),
        ("DATABASE_URL", app.database_url()),
        ("KAKEURI_MASTER_KEY", app.master_key.expose_secret()),
        ("KAKEURI_RATE_LIMITS", "off"),
        ("RUST_LOG", "warn"),
    ];
    let service = Process::start(
        &settings,
        &["serve", "--no-worker"],
        &folder.join("log"),
        "Kakeuri",
    );
    let client = app.stranger_at(&format!("http://{address}"));
    client.get("/readyz").await.expect(200);
    let at_the_start = process::resident(service.id());
    join_all((0..AT_ONCE).map(|_| log_in(&client, LOGINS / AT_ONCE + 1))).await;
    let after_logins = process::resident(service.id());
    join_all((0..4).map(|_| ask(&address, CHEAP_REQUESTS / 4))).await;
    let at_the_end = process::resident(service.id());
    println!(
        "resident: {at_the_start} KiB, after the logins {after_logins} KiB, at the end {at_the_end} KiB"
    );
    assert!(
        after_logins < at_the_start + FOR_LOGINS,
        "{at_the_start} KiB, then {after_logins} KiB"
    );
    assert!(
        at_the_end < after_logins + FOR_CHEAP_REQUESTS,
        "{after_logins} KiB, then {at_the_end} KiB"
    );
    service.stop();
}

async fn log_in(client: &Client, times: usize) {
    let login = json!({ "store": "minato", "email": "owner@minato.example", "password": PASSWORD });
    for _ in 0..times {
        client
            .post("/v1/admin/sessions", login.clone())
            .await
            .expect(201);
    }
}

/// Many requests one after the other on one connection, a hundred of them without waiting for an answer.
async fn ask(address: &str, times: usize) {
    const PORTION: usize = 100;
    let mut connection = TcpStream::connect(address).await.unwrap();
    let portion = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(PORTION);
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..times / PORTION {
        connection.write_all(portion.as_bytes()).await.unwrap();
        // Every body, and nothing else, ends with a brace.
        let mut answered = 0;
        while answered < PORTION {
            let length = connection.read(&mut buffer).await.unwrap();
            assert!(length > 0, "the connection was closed");
            answered += buffer[..length]
                .iter()
                .filter(|byte| **byte == b'}')
                .count();
        }
    }
}
