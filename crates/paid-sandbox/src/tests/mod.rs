//! The sandbox over real HTTP: its protocol by hand-written requests, and its control interface.

mod control;
mod protocol;
mod restart;

use std::path::PathBuf;

use actix_web::dev::ServerHandle;
use serde_json::{Value, json};

use crate::{Options, start};

/// A running sandbox and a merchant of it.
pub struct Stand {
    pub base: String,
    pub auth_code: String,
    pub http: reqwest::Client,
    handle: ServerHandle,
    running: actix_web::rt::task::JoinHandle<std::io::Result<()>>,
}

impl Stand {
    pub async fn start() -> Self {
        Self::with(None).await
    }

    pub async fn with(state: Option<PathBuf>) -> Self {
        let options = Options {
            listen: ([127, 0, 0, 1], 0).into(),
            state,
            ..Options::default()
        };
        let sandbox = start(options).unwrap();
        Self {
            base: format!("http://{}", sandbox.address),
            auth_code: "shop1".to_owned(),
            http: reqwest::Client::new(),
            handle: sandbox.handle(),
            running: actix_web::rt::spawn(sandbox.run()),
        }
    }

    pub async fn stop(self) {
        self.handle.stop(false).await;
        self.running.await.unwrap().unwrap();
    }

    /// Sends a body as Paid wants it, and answers the body of the answer with its header's status.
    pub async fn call(&self, path: &str, body: Value) -> (String, Value) {
        let request = json!({"header": {"apiAuthCode": self.auth_code}, "body": body});
        let answer = self.raw(path, request.to_string()).await;
        (
            answer["header"]["status"].as_str().unwrap().to_owned(),
            answer["body"].clone(),
        )
    }

    pub async fn raw(&self, path: &str, body: String) -> Value {
        let url = format!("{}/y/coop{path}", self.base);
        let answer = self.http.post(url).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    pub async fn control(&self, method: &str, path: &str, body: Option<&str>) -> (u16, Value) {
        let url = format!("{}/_sandbox/{}{path}", self.base, self.auth_code);
        let mut request = self.http.request(method.parse().unwrap(), url);
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (
            status,
            serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null),
        )
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.control("GET", path, None).await;
        assert_eq!(status, 200, "{path}");
        answer
    }

    pub async fn apply(&self, id: &str, email: &str) -> (String, Value) {
        self.call(APPLY, json!({"memberData": member(id, email)}))
            .await
    }

    pub async fn check(&self, id: &str) -> Value {
        self.call(CHECK, json!({"b2bMemberIds": [id]})).await.1["results"].clone()
    }

    /// A member that may buy.
    pub async fn buyer(&self, id: &str) {
        assert_eq!(
            self.control("POST", &format!("/members/{id}/link"), None)
                .await
                .0,
            200
        );
    }

    /// One sale's item of the answer.
    pub async fn sale(&self, path: &str, item: Value) -> Value {
        let (_, body) = self
            .call(path, json!({"credits": {"credit": [item]}}))
            .await;
        body["detailResults"]["detailResult"][0].clone()
    }

    pub async fn register(&self, id: &str, price: i64) -> Value {
        let item = json!({"b2bMemberId": "m1", "contents": "商品", "code": "1001", "price": price, "b2bCreditId": id});
        self.sale(REGISTER, item).await
    }
}

pub const APPLY: &str = "/member/register/ver1.0/p.json";
pub const CHECK: &str = "/member/check/ver1.0/p.json";
pub const CREDIT_CHECK: &str = "/member/creditCheck/ver1.0/p.json";
pub const REGISTER: &str = "/Register/b2bMemberId/ver1.0/p.json";
pub const FIX: &str = "/Fix/b2bCreditId/ver1.0/p.json";
pub const UPDATE: &str = "/Update/b2bCreditId/ver1.0/p.json";
pub const SEARCH: &str = "/Search/b2bCreditId/ver1.0/p.json";

pub fn member(id: &str, email: &str) -> Value {
    json!({
        "b2bMemberId": id, "companyName": "株式会社みなと", "companyNameKana": "ミナト",
        "representativeSei": "佐藤", "representativeMei": "健一", "representativeSeiKana": "サトウ",
        "representativeMeiKana": "ケンイチ", "zipCode": "231-0002", "prefecture": "神奈川県",
        "address1": "横浜市中区", "address2": "海岸通4-1", "clerkSei": "鈴木", "clerkMei": "花子",
        "clerkSeiKana": "スズキ", "clerkMeiKana": "ハナコ", "tel": "045-000-1234", "email": email,
    })
}
