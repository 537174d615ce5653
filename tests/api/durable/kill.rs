//! `kill -9` in the middle of everything, while Paid answers late, wrongly or not at all: no sale is lost, none is made
//! twice, and every answer that was given stays true.
//!
//! The service is a process on a database of its own, the sandbox another process. Buyers place, change, confirm and
//! cancel; the service dies at random moments and is started again. Then Paid behaves, and what the buyers were told is
//! compared with what the service and Paid hold.

mod buyers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::Database;
use crate::support::process::{self, Process, empty_folder, free_address};
use buyers::{Api, Bought, Buyer, Luck};

/// How many buyers there are at a time.
const BUYERS: u64 = 5;
/// How long everything may take to come to rest once Paid behaves.
const REST: Duration = Duration::from_secs(60);
/// The sandbox's name for the shop.
const AUTH_CODE: &str = "killed9times";

/// A number of the environment, so that a failed run can be repeated.
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[test]
fn no_kill_loses_a_sale_or_makes_one_twice() {
    let (seed, kills) = (number("KILL_SEED", 20_261_123), number("KILL_COUNT", 30));
    println!("KILL_SEED={seed} KILL_COUNT={kills}");
    let mut shop = Shop::open();
    let stop = Arc::new(AtomicBool::new(false));
    let buyers: Vec<_> = (0..BUYERS)
        .map(|number| {
            let members = shop.members.clone();
            let buyer = Buyer::new(
                shop.api.clone(),
                members,
                Luck::new(seed.wrapping_add(number + 1)),
            );
            shop.runtime.spawn(buyer.shop_until(stop.clone()))
        })
        .collect();
    let mut luck = Luck::new(seed);
    for _ in 0..kills {
        shop.disturb_paid(&mut luck);
        std::thread::sleep(Duration::from_millis(luck.between(20, 500)));
        shop.kill_and_start_again();
    }
    stop.store(true, Ordering::Relaxed);
    let mut bought: Vec<Bought> = buyers
        .into_iter()
        .flat_map(|buyer| shop.wait_for(buyer).unwrap())
        .collect();
    shop.heal_paid();
    shop.wait_for_rest();
    shop.wait_for(repeat_all(&shop.api, &mut bought));
    let orders = shop.wait_for_rest();
    check(&bought, &orders, &shop.sales());
    shop.service.take().unwrap().stop();
}

/// Whoever got no answer asks again under the same key; whoever got one does so too, and gets the same order.
async fn repeat_all(api: &Api, bought: &mut [Bought]) {
    let interrupted = bought
        .iter()
        .filter(|order| order.id.is_none() || order.unanswered.is_some())
        .count();
    println!(
        "{} orders wanted, {interrupted} with an answer that never came",
        bought.len()
    );
    assert!(
        bought.len() > 50 && interrupted > 5,
        "nothing much was interrupted"
    );
    for order in bought {
        let answer = api
            .until_answered("/v1/admin/orders", &order.key, &order.body)
            .await;
        assert!(matches!(answer.0, 201 | 202), "{answer:?}");
        let id = answer.1["id"].as_str().unwrap().to_owned();
        assert_eq!(
            *order.id.get_or_insert_with(|| id.clone()),
            id,
            "another order under the same key"
        );
        if let Some(act) = order.unanswered.take() {
            let answer = api.until_answered(&act.path, &act.key, &act.body).await;
            assert!(matches!(answer.0, 200 | 202), "{answer:?} to {}", act.path);
            order.statuses = BTreeSet::from([act.leads_to]);
        }
    }
}

/// What the buyers were told, what the service says and what Paid holds is the same.
fn check(bought: &[Bought], orders: &BTreeMap<String, Value>, sales: &BTreeMap<String, Value>) {
    let wanted: BTreeSet<&str> = bought
        .iter()
        .filter_map(|order| order.id.as_deref())
        .collect();
    assert_eq!(wanted.len(), bought.len(), "two keys led to one order");
    let there: BTreeSet<&str> = orders.keys().map(String::as_str).collect();
    assert_eq!(
        there, wanted,
        "an order that nobody wanted, or one that is gone"
    );
    let mut unexplained: BTreeSet<&str> = sales.keys().map(String::as_str).collect();
    for mine in bought {
        let order = &orders[mine.id.as_deref().unwrap()];
        let payment = &order["payment"];
        let status = payment["status"].as_str().unwrap();
        assert!(mine.statuses.contains(status), "{mine:?}: {order}");
        let total = order["totals"]["total"].as_i64().unwrap();
        assert!(mine.totals.contains(&total), "{mine:?}: {order}");
        let key = payment["provider_reference"].as_str().unwrap();
        let sale = sales
            .get(key)
            .unwrap_or_else(|| panic!("no sale at Paid for {order}"));
        unexplained.remove(key);
        let at_paid = match status {
            "unconfirmed" => "REGISTERED",
            "confirmed" => "FIXED",
            "cancelled" => "CANCELED",
            other => panic!("{other}: {order}"),
        };
        assert_eq!(sale["status"], at_paid, "{order}: {sale}");
        assert_eq!(sale["price"], total, "{order}: {sale}");
        assert_eq!(payment["amount"], total, "{order}");
        assert_eq!(sale["registered_times"], 1, "{sale}");
        assert_eq!(
            sale["fixed_times"],
            i64::from(status == "confirmed"),
            "{sale}"
        );
        assert_eq!(
            sale["canceled_times"],
            i64::from(status == "cancelled"),
            "{sale}"
        );
        assert_eq!(
            order["cancelled_at"].is_string(),
            status == "cancelled",
            "{order}"
        );
    }
    assert!(
        unexplained.is_empty(),
        "sales without an order: {unexplained:?}"
    );
    let count = |status: &str| {
        orders
            .values()
            .filter(|order| order["payment"]["status"] == status)
            .count()
    };
    println!(
        "{} unconfirmed, {} confirmed, {} cancelled",
        count("unconfirmed"),
        count("confirmed"),
        count("cancelled")
    );
}

/// The service under test, the sandbox, and a shop in it.
struct Shop {
    runtime: Runtime,
    api: Api,
    sandbox_url: String,
    /// Those who may pay with Paid.
    members: Vec<String>,
    settings: Vec<(&'static str, String)>,
    folder: PathBuf,
    service: Option<Process>,
    _sandbox: Process,
    _database: Database,
}

impl Drop for Shop {
    fn drop(&mut self) {
        // The log stays where the test failed.
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl Shop {
    fn open() -> Self {
        let (folder, database) = (empty_folder("kill"), Database::create());
        let (listen, sandbox_listen) = (free_address(), free_address());
        let state = folder.join("sandbox.jsonl");
        let arguments = [
            "sandbox",
            "--listen",
            &sandbox_listen,
            "--state",
            state.to_str().unwrap(),
        ];
        let sandbox = Process::start(
            &[],
            &arguments,
            &folder.join("sandbox.log"),
            "The Paid sandbox answers",
        );
        let sandbox_url = format!("http://{sandbox_listen}");
        let settings = vec![
            ("DATABASE_URL", database.url.clone()),
            (
                "KAKEURI_MASTER_KEY",
                "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".to_owned(),
            ),
            ("KAKEURI_LISTEN", listen.clone()),
            ("KAKEURI_PAID_SANDBOX_URL", sandbox_url.clone()),
            ("KAKEURI_RETRY_SCALE", "0.01".to_owned()),
            ("KAKEURI_PAID_TIMEOUT", "1s".to_owned()),
            ("KAKEURI_PAID_WAIT", "500ms".to_owned()),
            ("KAKEURI_RATE_LIMITS", "off".to_owned()),
            ("KAKEURI_TOKEN_TTL", "120m".to_owned()),
            ("RUST_LOG", "warn".to_owned()),
        ];
        let given: Vec<_> = settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        process::run(
            &given,
            &[
                "store",
                "create",
                "--slug",
                "kill",
                "--name",
                "みなと商店",
                "--json",
            ],
        );
        let token = process::run(&given, &["token", "admin", "--store", "kill"]);
        let mut shop = Self {
            runtime: Runtime::new().unwrap(),
            api: Api::new(format!("http://{listen}"), token),
            sandbox_url,
            members: Vec::new(),
            settings,
            folder,
            service: None,
            _sandbox: sandbox,
            _database: database,
        };
        shop.start();
        shop.members = (0..3).map(|number| shop.approved_member(number)).collect();
        shop
    }

    fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn start(&mut self) {
        let settings: Vec<_> = self
            .settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let log = self.folder.join("service.log");
        self.service = Some(Process::start(
            &settings,
            &["serve"],
            &log,
            "Kakeuri answers",
        ));
    }

    fn kill_and_start_again(&mut self) {
        self.service.take().unwrap().kill();
        self.start();
    }

    /// A member that Paid has approved, with more credit than can be used up.
    fn approved_member(&self, number: u32) -> String {
        let api = &self.api;
        self.wait_for(async {
            let settings =
                json!({ "merchant_id": "1", "api_auth_code": AUTH_CODE, "environment": "sandbox", "enabled": true });
            api.must("PUT", "/v1/admin/settings/paid", settings).await;
            let person = json!({
                "family_name": "佐藤", "given_name": "健一", "family_name_kana": "サトウ", "given_name_kana": "ケンイチ"
            });
            let member = json!({
                "company_name": "株式会社みなと商会", "company_name_kana": "カブシキガイシャミナトショウカイ",
                "representative": person, "contact": person, "postal_code": "231-0002", "prefecture": "神奈川県",
                "city": "横浜市中区", "street": "海岸通4-1", "phone": "045-000-1234",
                "email": format!("buyer{number}@minato.example"), "payment_methods": ["paid"],
                "paid": { "application_status": "pending" }
            });
            let id = api.must("POST", "/v1/admin/members", member).await["id"].as_str().unwrap().to_owned();
            let member = format!("/v1/admin/members/{id}/paid");
            api.must("POST", &format!("{member}/application"), json!({})).await;
            let read = api.must("POST", &format!("{member}/refresh"), json!({})).await;
            assert_eq!(read["paid"]["application_status"], "approved_active");
            let key = read["paid"]["customer_number"].as_str().unwrap();
            self.control("PUT", &format!("/members/{key}"), Some(json!({ "credit_line": 1_000_000_000_000_i64 })))
                .await;
            id
        })
    }

    /// Paid misbehaves in a new way from now on.
    fn disturb_paid(&self, luck: &mut Luck) {
        self.heal_paid();
        let operations = ["any", "register", "fix", "cancel", "update", "search"];
        for kind in [
            "drop_answer",
            "drop_connection",
            "http_500",
            "malformed",
            "delay",
        ] {
            let operation = operations[luck.below(operations.len() as u64) as usize];
            let share = luck.between(0, 20) as f64 / 100.0;
            let delay = if kind == "delay" {
                luck.between(200, 1500)
            } else {
                luck.between(0, 30)
            };
            let fault =
                json!({ "operation": operation, "kind": kind, "share": share, "delay_ms": delay });
            self.wait_for(self.control("POST", "/faults", Some(fault)));
        }
    }

    fn heal_paid(&self) {
        self.wait_for(self.control("DELETE", "/faults", None));
    }

    /// Waits until nothing is open, and gives all orders.
    fn wait_for_rest(&self) -> BTreeMap<String, Value> {
        let deadline = Instant::now() + REST;
        loop {
            let orders = self.wait_for(self.api.orders());
            let payment = |order: &&Value| {
                order["payment"]["status"] == "processing"
                    || !order["payment"]["open_operation"].is_null()
            };
            let Some(open) = orders.values().find(payment) else {
                return orders;
            };
            assert!(Instant::now() < deadline, "still open: {open}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn sales(&self) -> BTreeMap<String, Value> {
        let list = self.wait_for(self.control("GET", "/sales", None));
        let key = |sale: &Value| sale["b2bCreditId"].as_str().unwrap().to_owned();
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|sale| (key(sale), sale.clone()))
            .collect()
    }

    async fn control(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/_sandbox/{AUTH_CODE}{path}", self.sandbox_url);
        let request = reqwest::Client::new().request(method.parse().unwrap(), url);
        let request = body
            .into_iter()
            .fold(request, |request, body| request.json(&body));
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default()
    }
}
