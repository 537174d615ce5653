//! What the stand-in remembers: members and sales per merchant, and the rules by which they change.
//!
//! Rules decide on the present state and answer a [`Change`]; only [`Ledger::apply`] carries one out. The journal
//! replays changes through the same function, so that a restart cannot arrive elsewhere. Knows no HTTP and no file.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::japan_date;
use paid_protocol::codes::{self, Codes};
use paid_protocol::fields;
use paid_protocol::key;
use paid_protocol::request::{CreditItem, MemberData};
use paid_protocol::sale::SaleStatus;

/// The credit line of a new member, in yen.
pub const CREDIT_LINE: i64 = 1_000_000;
/// The industry numbers that exist here. Paid's own list is not known.
const INDUSTRIES: std::ops::RangeInclusive<u32> = 1..=99;
/// The highest price taken, so that sums cannot overflow.
pub const PRICE_MAX: i64 = 999_999_999_999;
/// What a sale may cost.
const PRICES: std::ops::RangeInclusive<i64> = 1..=PRICE_MAX;
/// How a day is written.
const DAY: &str = "%Y/%m/%d";
/// The longest order number.
const CODE_MAX: usize = 15;

/// Where a member stands with Paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberStatus {
    /// 審査中.
    UnderReview,
    /// 利用可能-取引中.
    ApprovedActive,
    /// 利用可能-取引不可.
    ApprovedInactive,
    /// 利用不可.
    Declined,
}

impl MemberStatus {
    /// The number on the wire (assumed).
    pub fn code(self) -> &'static str {
        match self {
            Self::UnderReview => "1",
            Self::ApprovedActive => "2",
            Self::ApprovedInactive => "3",
            Self::Declined => "4",
        }
    }
}

/// A customer of Paid, linked to a merchant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// The merchant's number of it.
    #[serde(rename = "b2bMemberId")]
    pub id: String,
    /// Paid's own number.
    #[serde(rename = "paidId")]
    pub paid_id: u64,
    /// Empty if it was linked without an application.
    pub email: String,
    /// Where it stands.
    pub status: MemberStatus,
    /// How much it may owe.
    pub credit_line: i64,
    /// Since when.
    pub registered_at: DateTime<Utc>,
    /// What the first check turns the status into.
    #[serde(default)]
    pub verdict: Option<MemberStatus>,
    /// Are calls about it answered late?
    #[serde(default)]
    pub slow: bool,
}

/// A line of a sale's history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: DateTime<Utc>,
    /// By a call (`protocol`) or by hand (`console`).
    pub by: String,
    /// The status from then on.
    pub status: SaleStatus,
    /// The amount from then on.
    pub price: i64,
}

/// A sale.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sale {
    /// Its key.
    #[serde(rename = "b2bCreditId")]
    pub id: String,
    /// Whose.
    #[serde(rename = "b2bMemberId")]
    pub member_id: String,
    /// The order number.
    pub code: String,
    /// What was sold.
    pub contents: String,
    /// The amount, tax included.
    pub price: i64,
    /// Its state.
    pub status: SaleStatus,
    /// How often it became registered: effects, not calls.
    pub registered_times: u32,
    /// How often it became fixed.
    pub fixed_times: u32,
    /// How often it became cancelled.
    pub canceled_times: u32,
    /// The day of fixing, as it was sent.
    #[serde(rename = "fixedAt")]
    pub fixed_at: Option<String>,
    /// Everything that happened to it.
    pub history: Vec<Moment>,
}

impl Sale {
    /// The sale after a move, with its counters and history.
    pub fn moved(mut self, by: &str, status: SaleStatus, price: i64, at: DateTime<Utc>) -> Self {
        if status != self.status {
            match status {
                SaleStatus::Registered => self.registered_times += 1,
                SaleStatus::Fixed => self.fixed_times += 1,
                SaleStatus::Canceled => self.canceled_times += 1,
            }
        }
        (self.status, self.price) = (status, price);
        let by = by.to_owned();
        self.history.push(Moment {
            at,
            by,
            status,
            price,
        });
        self
    }
}

/// One merchant's side of the ledger.
#[derive(Debug, Default)]
pub struct Merchant {
    /// Its members by number.
    pub members: BTreeMap<String, Member>,
    /// Its sales by key.
    pub sales: BTreeMap<String, Sale>,
    /// Every key ever used; a key stays used after its sale was deleted by hand.
    used: BTreeSet<String>,
    /// What each member owes or may come to owe; kept up to date, because every sale asks for it.
    owed: HashMap<String, i64>,
    last_paid_id: u64,
}

/// Something that happened to one merchant's side.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A member is new or different.
    Member(Member),
    /// A sale is new or different.
    Sale(Sale),
    /// A sale was deleted by hand, or its key is known to be used.
    Gone(String),
    /// Everything was forgotten.
    Forgotten,
}

/// All merchants, by auth code.
#[derive(Debug, Default)]
pub struct Ledger(BTreeMap<String, Merchant>);

impl Ledger {
    /// A merchant's side, if there is anything on it.
    pub fn merchant(&self, auth_code: &str) -> Option<&Merchant> {
        self.0.get(auth_code)
    }

    /// Carries out a change.
    pub fn apply(&mut self, auth_code: &str, change: Change) {
        if matches!(change, Change::Forgotten) {
            self.0.remove(auth_code);
            return;
        }
        let merchant = self.0.entry(auth_code.to_owned()).or_default();
        match change {
            Change::Member(member) => {
                merchant.last_paid_id = merchant.last_paid_id.max(member.paid_id);
                merchant.members.insert(member.id.clone(), member);
            }
            Change::Sale(sale) => {
                merchant.used.insert(sale.id.clone());
                merchant.owe(&sale, 1);
                if let Some(before) = merchant.sales.insert(sale.id.clone(), sale) {
                    merchant.owe(&before, -1);
                }
            }
            Change::Gone(id) => {
                if let Some(before) = merchant.sales.remove(&id) {
                    merchant.owe(&before, -1);
                }
                merchant.used.insert(id);
            }
            Change::Forgotten => {}
        }
    }

    /// The fewest changes that lead from nothing to here.
    pub fn changes(&self) -> impl Iterator<Item = (&str, Change)> {
        self.0.iter().flat_map(|(auth_code, merchant)| {
            let gone = merchant
                .used
                .iter()
                .filter(|id| !merchant.sales.contains_key(*id));
            let members = merchant.members.values().cloned().map(Change::Member);
            let sales = merchant.sales.values().cloned().map(Change::Sale);
            let changes = members.chain(sales).chain(gone.cloned().map(Change::Gone));
            changes.map(move |change| (auth_code.as_str(), change))
        })
    }
}

impl Merchant {
    /// What a member owes or may come to owe.
    pub fn credit_used(&self, member_id: &str) -> i64 {
        self.owed.get(member_id).copied().unwrap_or_default()
    }

    fn owe(&mut self, sale: &Sale, sign: i64) {
        if sale.status != SaleStatus::Canceled {
            let owed = self.owed.entry(sale.member_id.clone()).or_default();
            // Prices are limited where they enter, so that the sum stays exact.
            *owed += sign * sale.price;
        }
    }

    /// A new application, or why it is refused.
    pub fn apply(&self, data: &MemberData, at: DateTime<Utc>) -> Result<Member, Codes> {
        let id = data.get("b2bMemberId");
        if self.members.contains_key(id) {
            return Err(Codes::one(codes::DUPLICATE));
        }
        let mut refused: Codes = fields::check(data)
            .into_iter()
            .map(|violation| violation.code)
            .collect();
        let industry = data.get("businessDetailType");
        let digits = !industry.is_empty() && industry.bytes().all(|byte| byte.is_ascii_digit());
        if digits
            && !industry
                .parse()
                .is_ok_and(|number| INDUSTRIES.contains(&number))
        {
            refused.add(codes::UNKNOWN_INDUSTRY);
        }
        let email = data.get("email").to_lowercase();
        if !email.is_empty() && self.members.values().any(|member| member.email == email) {
            refused.add(codes::EMAIL_TAKEN);
        }
        if !refused.is_empty() {
            return Err(refused);
        }
        let (status, verdict) = screening(&email);
        Ok(Member {
            slow: local_part_ends(&email, "+slow"),
            status,
            verdict,
            email,
            ..self.new_member(id, at)
        })
    }

    /// A member linked on Paid's side: it exists and may buy, even if it never applied.
    pub fn link(&self, id: &str, at: DateTime<Utc>) -> Member {
        let known = self.members.get(id).cloned();
        Member {
            status: MemberStatus::ApprovedActive,
            verdict: None,
            ..known.unwrap_or_else(|| self.new_member(id, at))
        }
    }

    fn new_member(&self, id: &str, at: DateTime<Utc>) -> Member {
        Member {
            id: id.to_owned(),
            paid_id: self.last_paid_id.max(1_000_000) + 1,
            email: String::new(),
            status: MemberStatus::UnderReview,
            credit_line: CREDIT_LINE,
            registered_at: at,
            verdict: None,
            slow: false,
        }
    }

    /// May the member buy for this amount? `Err` holds the code and what to tell people.
    pub fn credit(&self, member: &Member, price: i64) -> Result<(), (&'static str, &'static str)> {
        if member.status != MemberStatus::ApprovedActive {
            return Err((
                codes::MEMBER_NOT_ACTIVE,
                "この会員は現在Paidを利用できません",
            ));
        }
        let owed = self.credit_used(&member.id);
        if ends_in_402(price) || owed.saturating_add(price) > member.credit_line {
            return Err((codes::CREDIT_REFUSED, "与信枠を超えています"));
        }
        Ok(())
    }

    /// A provisional sale, or why it is refused.
    pub fn register(&self, item: &CreditItem, at: DateTime<Utc>) -> Result<Sale, &'static str> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (id, code, contents) = (
            text(&item.credit_id),
            text(&item.code),
            text(&item.contents),
        );
        let price = item.price.unwrap_or_default();
        let short = !code.is_empty() && code.chars().count() <= CODE_MAX;
        if key::check(&id).is_err() || !short || contents.is_empty() || !PRICES.contains(&price) {
            return Err(codes::MALFORMED_SALE);
        }
        // Before everything that may have changed since, so that a repeated call always hears that it landed.
        if self.used.contains(&id) {
            return Err(codes::DUPLICATE);
        }
        let member = self
            .members
            .get(&text(&item.member_id))
            .ok_or(codes::UNKNOWN_MEMBER)?;
        self.credit(member, price).map_err(|(code, _)| code)?;
        let status = SaleStatus::Registered;
        let by = "protocol".to_owned();
        Ok(Sale {
            id,
            member_id: member.id.clone(),
            code,
            contents,
            price,
            status,
            registered_times: 1,
            fixed_times: 0,
            canceled_times: 0,
            fixed_at: None,
            history: vec![Moment {
                at,
                by,
                status,
                price,
            }],
        })
    }

    /// A sale fixed, or why not. Without a day it is today in Japan; a price that is sent along is not compared.
    pub fn fix(&self, item: &CreditItem, at: DateTime<Utc>) -> Result<Sale, &'static str> {
        let day = match item.fixed_at.as_deref() {
            None => japan_date(at),
            Some(day) => NaiveDate::parse_from_str(day, DAY).map_err(|_| codes::MALFORMED_SALE)?,
        };
        let mut sale = self.open_sale(item)?;
        sale.fixed_at = Some(day.format(DAY).to_string());
        let price = sale.price;
        Ok(sale.moved("protocol", SaleStatus::Fixed, price, at))
    }

    /// A sale cancelled, or why not.
    pub fn cancel(&self, item: &CreditItem, at: DateTime<Utc>) -> Result<Sale, &'static str> {
        let sale = self.open_sale(item)?;
        let price = sale.price;
        Ok(sale.moved("protocol", SaleStatus::Canceled, price, at))
    }

    /// A sale with another amount, or why not. Only a raise needs credit.
    pub fn update(&self, item: &CreditItem, at: DateTime<Utc>) -> Result<Sale, &'static str> {
        let price = item
            .price
            .filter(|price| PRICES.contains(price))
            .ok_or(codes::MALFORMED_SALE)?;
        let sale = self.open_sale(item)?;
        let member = self.members.get(&sale.member_id).ok_or(codes::NOT_FOUND)?;
        let others = self.credit_used(&member.id).saturating_sub(sale.price);
        let raised = price > sale.price && others.saturating_add(price) > member.credit_line;
        if raised || ends_in_402(price) {
            return Err(codes::CREDIT_REFUSED);
        }
        Ok(sale.moved("protocol", SaleStatus::Registered, price, at))
    }

    /// The protocol never moves a final sale, nor one of another member.
    fn open_sale(&self, item: &CreditItem) -> Result<Sale, &'static str> {
        let sale = item.credit_id.as_deref().and_then(|id| self.sales.get(id));
        let open = sale.filter(|sale| sale.status == SaleStatus::Registered);
        let ours = open.filter(|sale| item.member_id.as_deref() == Some(&sale.member_id));
        ours.cloned().ok_or(codes::NOT_FOUND)
    }
}

/// The status of a new application and what the first check makes of it, by the magic e-mail addresses.
fn screening(email: &str) -> (MemberStatus, Option<MemberStatus>) {
    use MemberStatus::{ApprovedActive, ApprovedInactive, Declined, UnderReview};
    let verdict = if local_part_ends(email, "+review") {
        None
    } else if local_part_ends(email, "+declined") {
        Some(Declined)
    } else if local_part_ends(email, "+inactive") {
        Some(ApprovedInactive)
    } else {
        Some(ApprovedActive)
    };
    (UnderReview, verdict)
}

fn local_part_ends(email: &str, ending: &str) -> bool {
    email
        .rsplit_once('@')
        .is_some_and(|(local, _)| local.ends_with(ending))
}

fn ends_in_402(price: i64) -> bool {
    price % 1000 == 402
}
