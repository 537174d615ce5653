use std::io::Write;

use serde_json::json;

use super::Stand;
use crate::{Options, start};

fn file() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("kakeuri-sandbox-{}.jsonl", uuid::Uuid::new_v4()))
}

#[actix_web::test]
async fn the_ledger_outlives_a_restart_and_a_torn_last_line() {
    let path = file();
    let stand = Stand::with(Some(path.clone())).await;
    stand.buyer("m1").await;
    stand.apply("m2", "a@x.example").await;
    for sale in ["s1", "s2"] {
        assert_eq!(stand.register(sale, 100).await["status"], "SUCCESS");
    }
    stand.control("DELETE", "/sales/s2", None).await;
    let (members, sales) = (stand.get("/members").await, stand.get("/sales").await);
    stand.stop().await;
    for _ in 0..2 {
        let mut torn = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        torn.write_all(b"{\"merchant\":\"shop1\",\"cha").unwrap();
        let stand = Stand::with(Some(path.clone())).await;
        assert_eq!(stand.get("/members").await, members);
        assert_eq!(stand.get("/sales").await, sales);
        assert_eq!(stand.register("s2", 100).await["error"], json!(["C01"]));
        assert_eq!(
            stand.apply("m3", "a@x.example").await.1["result"]["error"],
            json!(["B45"])
        );
        stand.stop().await;
    }
}

#[actix_web::test]
async fn a_ledger_is_its_owners_alone_and_holds_no_auth_code() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = file();
    let stand = Stand::with(Some(path.clone())).await;
    stand.buyer("m1").await;
    let members = stand.get("/members").await;
    stand.stop().await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("m1") && !text.contains("\"shop1\""), "{text}");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // One from before is read, and written anew.
    let hashed = crate::journal::name_of("shop1");
    std::fs::write(&path, text.replace(&hashed, "shop1")).unwrap();
    let stand = Stand::with(Some(path.clone())).await;
    assert_eq!(stand.get("/members").await, members);
    stand.stop().await;
    assert!(
        !std::fs::read_to_string(&path)
            .unwrap()
            .contains("\"shop1\"")
    );
}

#[actix_web::test]
async fn a_ledger_has_one_sandbox_at_a_time() {
    let path = file();
    let stand = Stand::with(Some(path.clone())).await;
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        state: Some(path),
        ..Options::default()
    };
    let error = start(options).err().expect("a second sandbox was let in");
    assert!(error.to_string().contains("in use"));
    stand.stop().await;
}
