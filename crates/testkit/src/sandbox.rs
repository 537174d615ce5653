//! The sandbox's side: what Paid holds, and what is to go wrong. One sandbox per process; each test is a merchant of its
//! own by its auth code.

use std::net::SocketAddr;
use std::sync::OnceLock;

use paid_sandbox::Differences;
use serde_json::{Value, json};

/// Paid, as one merchant.
pub struct Sandbox {
    /// The merchant's auth code.
    pub auth_code: String,
    address: SocketAddr,
    http: reqwest::Client,
}

/// Starts one for the rest of the process.
fn start(differences: Differences) -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let options = paid_sandbox::Options {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                differences,
                ..Default::default()
            };
            let sandbox = paid_sandbox::start(options).unwrap();
            tell.send(sandbox.address).unwrap();
            sandbox.run().await.unwrap();
        });
    });
    told.recv().unwrap()
}

/// The one that the tests share.
fn shared() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| start(Differences::default()))
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::at(shared())
    }

    /// A Paid of its own, which is otherwise than assumed.
    pub(crate) fn that_differs(differences: &str) -> Self {
        Self::at(start(differences.parse().unwrap()))
    }

    fn at(address: SocketAddr) -> Self {
        // Never one that begins with `bad`, which the sandbox refuses.
        let auth_code = uuid::Uuid::new_v4()
            .simple()
            .to_string()
            .replacen(|_| true, "s", 1);
        Self {
            auth_code,
            address,
            http: reqwest::Client::new(),
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    async fn control(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}_sandbox/{}{path}", self.url(), self.auth_code);
        let request = self.http.request(method, url);
        let request = body
            .into_iter()
            .fold(request, |request, body| request.json(&body));
        let response = request.send().await.unwrap().error_for_status().unwrap();
        serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null)
    }

    /// The next `times` calls of an operation (or `any`) go wrong in this way.
    pub async fn fault(&self, operation: &str, kind: &str, times: u32) {
        self.fault_with(json!({ "operation": operation, "kind": kind, "times": times }))
            .await;
    }

    /// A fault with all its particulars.
    pub async fn fault_with(&self, fault: Value) {
        self.control(reqwest::Method::POST, "/faults", Some(fault))
            .await;
    }

    /// How many faults wait to hit a call.
    pub async fn faults_left(&self) -> usize {
        self.list("/faults").await.len()
    }

    /// No more faults.
    pub async fn heal(&self) {
        self.control(reqwest::Method::DELETE, "/faults", None).await;
    }

    /// A member at Paid, as an approved one by default.
    pub async fn set_member(&self, id: &str, member: Value) -> Value {
        self.control(
            reqwest::Method::PUT,
            &format!("/members/{id}"),
            Some(member),
        )
        .await
    }

    /// Many members at Paid, as approved ones by default: `{b2bMemberId, status?, credit_line?}`.
    pub async fn set_members(&self, members: Vec<Value>) {
        self.control(
            reqwest::Method::PUT,
            "/members",
            Some(json!({ "data": members })),
        )
        .await;
    }

    /// The most calls that were under way at once.
    pub async fn most_in_flight(&self) -> u64 {
        self.control(reqwest::Method::GET, "/load", None).await["most_in_flight"]
            .as_u64()
            .unwrap()
    }

    /// How many calls are under way now.
    pub async fn in_flight(&self) -> u64 {
        self.control(reqwest::Method::GET, "/load", None).await["in_flight"]
            .as_u64()
            .unwrap()
    }

    /// Many provisional sales of one member, as (key, price), by Paid's own protocol.
    pub async fn register_sales(&self, member: &str, sales: &[(String, i64)]) {
        for some in sales.chunks(100) {
            let item = |(key, price): &(String, i64)| json!({ "b2bMemberId": member, "b2bCreditId": key, "price": price, "code": "1", "contents": "商品" });
            let credit: Vec<Value> = some.iter().map(item).collect();
            let body = json!({ "header": { "apiAuthCode": self.auth_code }, "body": { "credits": { "credit": credit } } });
            let url = format!("{}y/coop/Register/b2bMemberId/ver1.0/p.json", self.url());
            let answer: Value = self
                .http
                .post(url)
                .json(&body)
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            assert_eq!(answer["header"]["status"], "SUCCESS", "{answer}");
        }
    }

    /// A member by the customer number.
    pub async fn member(&self, id: &str) -> Value {
        self.control(reqwest::Method::GET, &format!("/members/{id}"), None)
            .await
    }

    /// A sale by its key.
    pub async fn sale(&self, id: &str) -> Value {
        self.control(reqwest::Method::GET, &format!("/sales/{id}"), None)
            .await
    }

    /// Every sale.
    pub async fn sales(&self) -> Vec<Value> {
        self.list("/sales").await
    }

    /// Changes a sale behind the service's back.
    pub async fn set_sale(&self, id: &str, sale: Value) {
        self.control(reqwest::Method::PUT, &format!("/sales/{id}"), Some(sale))
            .await;
    }

    /// Removes a sale, as by hand in Paid's console.
    pub async fn delete_sale(&self, id: &str) {
        self.control(reqwest::Method::DELETE, &format!("/sales/{id}"), None)
            .await;
    }

    /// A buyer who is already a Paid member uses the banner.
    pub async fn link(&self, id: &str) {
        self.control(reqwest::Method::POST, &format!("/members/{id}/link"), None)
            .await;
    }

    /// Every call that arrived.
    pub async fn calls(&self) -> Vec<Value> {
        self.list("/calls").await
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        self.control(reqwest::Method::GET, path, None).await["data"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }
}
