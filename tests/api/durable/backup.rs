//! The commands of docs/operating.md that back the database up and restore it, run to the letter.

use std::fs;
use std::path::Path;
use std::process::Command;

use secrecy::ExposeSecret as _;

use crate::durable::settle::Ask;
use crate::support::process::{self, Process, empty_folder, free_address, program};
use crate::support::{Client, TestApp};

/// The commands of the section about backups: the backup, the restore, and what is done then.
fn commands() -> [String; 3] {
    let text = include_str!("../../../docs/operating.md");
    let (_, section) = text.split_once("\n## Backups\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let blocks = section.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split_once("```").unwrap().0.to_owned());
    blocks.collect::<Vec<_>>().try_into().unwrap()
}

/// The programs of PostgreSQL may be anywhere; ours is where cargo put it.
fn path() -> String {
    let own = program().parent().unwrap().display().to_string();
    let postgres = std::env::var("KAKEURI_PG_BIN").unwrap_or_default();
    format!("{own}:{postgres}:{}", std::env::var("PATH").unwrap())
}

#[track_caller]
fn run(commands: &str, folder: &Path, settings: &[(&str, &str)]) -> String {
    let mut shell = Command::new("bash");
    shell
        .args(["-euo", "pipefail", "-c", commands])
        .current_dir(folder)
        .env("PATH", path())
        .envs(settings.iter().copied());
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{commands}\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[actix_web::test]
async fn what_was_backed_up_is_restored_and_learns_what_paid_did_since() {
    let [back_up, restore, catch_up] = commands();
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.work().await;
    let (folder, listen) = (empty_folder("backup"), free_address());
    let (server, _) = app.database_url().rsplit_once('/').unwrap();
    let name = format!("restored_{}", uuid::Uuid::new_v4().simple());
    let (restored, address) = (format!("{server}/{name}"), format!("http://{listen}"));
    let sandbox = app.sandbox.url();
    let mut settings = vec![
        ("DATABASE_URL", app.database_url()),
        ("RESTORED_URL", &restored),
        ("KAKEURI_MASTER_KEY", app.master_key.expose_secret()),
        ("KAKEURI_PAID_SANDBOX_URL", &sandbox),
        ("KAKEURI_LISTEN", &listen),
        ("KAKEURI", &address),
    ];
    run(&back_up, &folder, &settings);

    Ask::Confirm.ask(&app.admin(), &order).await.expect(200);
    let later = app.unconfirmed_order().await;

    let restore = restore.replace("kakeuri_restored", &name);
    let said = run(&restore, &folder, &settings);
    assert!(said.contains("0 migrations applied"), "{said}");
    assert!(said.contains("intact"), "{said}");

    settings[0] = ("DATABASE_URL", &restored);
    let service = Process::start(
        &settings,
        &["serve"],
        &folder.join("log"),
        "Kakeuri answers",
    );
    let client = Client::new(&address);
    let token = process::run(&settings, &["token", "admin", "--store", "minato"]);
    let client = client.bearer(&token);
    let path = format!("/v1/admin/orders/{order}");
    let status = async || {
        client
            .get(&path)
            .await
            .expect(200)
            .text_at("/payment/status")
    };
    assert_eq!(status().await, "unconfirmed");
    let missing = client.get(&format!("/v1/admin/orders/{later}")).await;
    missing.problem(404, "not_found");
    run(&catch_up, &folder, &settings);
    app.when(async || status().await == "confirmed").await;
    service.stop();
    let drop_it = format!("psql --quiet --command='DROP DATABASE {name}' \"$OLD_URL\"");
    run(&drop_it, &folder, &[("OLD_URL", app.database_url())]);
    fs::remove_dir_all(&folder).unwrap();
}
