//! Buyers and staff who go on whatever happens, and remember what they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Random numbers that a seed repeats (SplitMix64).
#[derive(Clone)]
pub struct Luck(u64);

impl Luck {
    /// Mixed first, as the states of one sequence lie at equal distances.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x6b61_6b65_7572_6921))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// From 0 to `limit`, without it.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// From `low` to `high`, with both.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }
}

fn mix(value: u64) -> u64 {
    let mixed = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The service, which may be dead at the moment.
#[derive(Clone)]
pub struct Api {
    address: String,
    token: String,
    http: reqwest::Client,
}

impl Api {
    pub fn new(address: String, token: String) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(15))
            .build()
            .unwrap();
        Self {
            address,
            token,
            http,
        }
    }

    /// One call; `None` if no whole answer came.
    async fn call(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let request = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.address));
        let request = key.into_iter().fold(request, |request, key| {
            request.header("Idempotency-Key", key)
        });
        let request = if method == "GET" {
            request
        } else {
            request.json(body)
        };
        let answer = request.bearer_auth(&self.token).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((
            status,
            serde_json::from_slice(&answer.bytes().await.ok()?).ok()?,
        ))
    }

    /// A call that must succeed.
    pub async fn must(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(method, path, None, &body).await.unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
        answer
    }

    /// The same request again until somebody answers it: the key may still be held by one that was killed.
    pub async fn until_answered(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let answer = self
                .call("POST", path, Some(key), body)
                .await
                .expect("nobody kills the service any more");
            let wait = answer.1["code"]
                .as_str()
                .is_some_and(|code| code.ends_with("in_progress"));
            if !wait {
                return answer;
            }
            assert!(Instant::now() < deadline, "{path}: {answer:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// All orders by id.
    pub async fn orders(&self) -> BTreeMap<String, Value> {
        let (mut orders, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let path = format!("/v1/admin/orders?limit=200{cursor}");
            let page = self.must("GET", &path, Value::Null).await;
            for order in page["data"].as_array().unwrap() {
                orders.insert(order["id"].as_str().unwrap().to_owned(), order.clone());
            }
            let Some(next) = page["next_cursor"].as_str() else {
                return orders;
            };
            cursor = format!("&cursor={next}");
        }
    }
}

/// An action under a key that got no answer.
#[derive(Clone, Debug)]
pub struct Act {
    pub path: String,
    pub key: String,
    pub body: Value,
    pub leads_to: &'static str,
}

/// An order as its buyer sees it.
#[derive(Debug)]
pub struct Bought {
    pub key: String,
    pub body: Value,
    /// Once an answer named it.
    pub id: Option<String>,
    /// What it may come to, by all that was answered.
    pub totals: BTreeSet<i64>,
    /// Where its payment may end.
    pub statuses: BTreeSet<&'static str>,
    /// The last action, if its answer never came.
    pub unanswered: Option<Act>,
    ended: bool,
}

/// Somebody who places orders and changes, confirms and cancels them.
pub struct Buyer {
    api: Api,
    members: Vec<String>,
    luck: Luck,
    bought: Vec<Bought>,
}

impl Buyer {
    pub fn new(api: Api, members: Vec<String>, luck: Luck) -> Self {
        Self {
            api,
            members,
            luck,
            bought: Vec::new(),
        }
    }

    /// Goes on until told to stop.
    pub async fn shop_until(mut self, stop: Arc<AtomicBool>) -> Vec<Bought> {
        while !stop.load(Ordering::Relaxed) {
            let usable: Vec<usize> = (0..self.bought.len())
                .filter(|index| self.bought[*index].id.is_some() && !self.bought[*index].ended)
                .collect();
            if usable.is_empty() || self.luck.below(100) < 35 {
                self.place().await;
            } else {
                let index = usable[self.luck.below(usable.len() as u64) as usize];
                match self.luck.below(3) {
                    0 => self.change(index).await,
                    1 => {
                        self.end(index, "payment/confirm", json!({}), "confirmed")
                            .await
                    }
                    _ => {
                        self.end(
                            index,
                            "cancel",
                            json!({ "reason": "在庫切れ" }),
                            "cancelled",
                        )
                        .await
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(self.luck.below(20))).await;
        }
        self.bought
    }

    fn key(&mut self) -> String {
        format!("{:016x}", self.luck.next())
    }

    async fn place(&mut self) {
        let member = self.members[self.luck.below(self.members.len() as u64) as usize].clone();
        let quantity = self.luck.between(1, 20) as i64;
        let body =
            json!({ "member_id": member, "payment_method": "paid", "lines": lines(quantity) });
        let mut order = Bought {
            key: self.key(),
            body,
            id: None,
            totals: BTreeSet::from([quantity * 1000]),
            statuses: BTreeSet::from(["unconfirmed"]),
            unanswered: None,
            ended: false,
        };
        match self
            .api
            .call("POST", "/v1/admin/orders", Some(&order.key), &order.body)
            .await
        {
            Some((201 | 202, answer)) => order.id = answer["id"].as_str().map(str::to_owned),
            // Nobody answered, or Paid could not be asked: to be repeated.
            None | Some((500.., _)) => {}
            Some(other) => panic!("{other:?}"),
        }
        self.bought.push(order);
    }

    async fn change(&mut self, index: usize) {
        let (quantity, order) = (self.luck.between(1, 20) as i64, &mut self.bought[index]);
        let path = format!(
            "/v1/admin/orders/{}",
            order.id.as_deref().unwrap_or_default()
        );
        let body = json!({ "update_paid_amount": true, "lines": lines(quantity) });
        match self.api.call("PATCH", &path, None, &body).await {
            Some((200 | 202, _)) => order.totals = BTreeSet::from([quantity * 1000]),
            // Still on its way to Paid; nothing is changed.
            Some((409, _)) => {}
            None | Some((500.., _)) => drop(order.totals.insert(quantity * 1000)),
            Some(other) => panic!("{other:?}"),
        }
    }

    async fn end(&mut self, index: usize, action: &str, body: Value, leads_to: &'static str) {
        let key = self.key();
        let order = &mut self.bought[index];
        let path = format!(
            "/v1/admin/orders/{}/{action}",
            order.id.as_deref().unwrap_or_default()
        );
        match self.api.call("POST", &path, Some(&key), &body).await {
            Some((200 | 202, _)) => {
                (order.ended, order.statuses) = (true, BTreeSet::from([leads_to]))
            }
            // Still on its way to Paid, or Paid could not be asked how the sale stands; nothing is changed.
            Some((409 | 503, _)) => {}
            None | Some((500.., _)) => {
                order.ended = true;
                order.unanswered = Some(Act {
                    path,
                    key,
                    body,
                    leads_to,
                });
            }
            Some(other) => panic!("{other:?}"),
        }
    }
}

fn lines(quantity: i64) -> Value {
    json!([{ "name": "美濃焼 湯呑み", "unit_price": 1000, "quantity": quantity, "tax_rate": 0 }])
}
