//! The bodies of the calls that are written down before they are sent. A body holds no secret: the auth code is added
//! only while it is sent, so that what is stored can be sent again exactly.

use chrono::NaiveDate;
use paid_protocol::request::MemberData;
use serde_json::{Value, json};

use crate::domain::{PaidKey, Yen};

/// The longest text of `contents`; Paid says only that it is short.
const CONTENTS_MAX: usize = 50;

/// A provisional sale.
pub fn register(
    member: &PaidKey,
    order_number: &str,
    contents: &str,
    price: Yen,
    sale: &PaidKey,
) -> Value {
    let contents: String = contents.chars().take(CONTENTS_MAX).collect();
    one(json!({
        "b2bMemberId": member,
        "contents": contents,
        "code": order_number,
        "price": price,
        "b2bCreditId": sale,
    }))
}

/// Another amount for a provisional sale.
pub fn amend(member: &PaidKey, sale: &PaidKey, price: Yen) -> Value {
    one(json!({ "b2bMemberId": member, "b2bCreditId": sale, "price": price }))
}

/// A sale fixed today, where a date is not said. The amount is not compared (assumed).
pub fn confirm_today(member: &PaidKey, sale: &PaidKey, price: Yen) -> Value {
    one(json!({ "b2bMemberId": member, "b2bCreditId": sale, "price": price }))
}

/// A sale fixed, on a day in Japan.
pub fn confirm(member: &PaidKey, sale: &PaidKey, fixed_on: NaiveDate) -> Value {
    let fixed_at = fixed_on.format("%Y/%m/%d").to_string();
    one(json!({ "b2bMemberId": member, "b2bCreditId": sale, "fixedAt": fixed_at }))
}

/// A sale cancelled.
pub fn cancel(member: &PaidKey, sale: &PaidKey) -> Value {
    one(json!({ "b2bMemberId": member, "b2bCreditId": sale }))
}

/// A member to be screened.
pub fn apply(data: &MemberData) -> Value {
    json!({ "memberData": data })
}

fn one(credit: Value) -> Value {
    json!({ "credits": { "credit": [credit] } })
}
