//! Members (会員): buyer companies of a store.

use super::fault::Faults;
use super::money::whole_number;

text_enum! {
    /// Where a member stands with the store.
    MemberStatus {
        /// Registered, waits for the store's approval. May log in, may not order.
        PendingApproval = "pending_approval" ("承認待ち", "pending approval"),
        /// May log in and order.
        Active = "active" ("有効", "active"),
        /// The store said no.
        Rejected = "rejected" ("否認", "rejected"),
        /// Shut out for the time being.
        Suspended = "suspended" ("停止中", "suspended"),
    }
}

impl MemberStatus {
    /// May such a member log in?
    pub fn may_log_in(self) -> bool {
        matches!(self, Self::PendingApproval | Self::Active)
    }
}

text_enum! {
    /// What an admin does to a member's status.
    MemberAction {
        /// 承認.
        Approve = "approve" ("承認", "approve"),
        /// 否認.
        Reject = "reject" ("否認", "reject"),
        /// 停止.
        Suspend = "suspend" ("停止", "suspend"),
        /// 再開.
        Reactivate = "reactivate" ("再開", "reactivate"),
    }
}

impl MemberStatus {
    /// What the status becomes, or `None` where the action is not allowed.
    pub fn after(self, action: MemberAction) -> Option<Self> {
        use MemberAction::{Approve, Reactivate, Reject, Suspend};
        use MemberStatus::{Active, PendingApproval, Rejected, Suspended};
        match self {
            PendingApproval => match action {
                Approve => Some(Active),
                Reject => Some(Rejected),
                Suspend | Reactivate => None,
            },
            Active => match action {
                Suspend => Some(Suspended),
                Approve | Reject | Reactivate => None,
            },
            Rejected => match action {
                Approve => Some(Active),
                Reject | Suspend | Reactivate => None,
            },
            Suspended => match action {
                Reactivate => Some(Active),
                Approve | Reject | Suspend => None,
            },
        }
    }
}

text_enum! {
    /// How an order may be paid (決済方法).
    PaymentMethod {
        /// On deferred payment through Paid.
        Paid = "paid" ("Paid", "Paid"),
        /// By bank transfer.
        BankTransfer = "bank_transfer" ("銀行振込", "bank transfer"),
        /// Cash on delivery.
        CashOnDelivery = "cash_on_delivery" ("代金引換", "cash on delivery"),
    }
}

/// A person's name, with its reading.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields, default)]
pub struct PersonName {
    /// 姓: the family name.
    #[schema(example = "佐藤", max_length = 200)]
    pub family_name: String,
    /// 名: the given name.
    #[schema(example = "健一", max_length = 200)]
    pub given_name: String,
    /// 姓カナ: the reading of the family name, in katakana.
    #[schema(example = "サトウ", max_length = 200)]
    pub family_name_kana: String,
    /// 名カナ: the reading of the given name, in katakana.
    #[schema(example = "ケンイチ", max_length = 200)]
    pub given_name_kana: String,
}

/// The name of a contact, of which more is needed.
#[derive(utoipa::ToSchema)]
#[allow(
    dead_code,
    reason = "stands for the contact's PersonName in the document"
)]
#[serde(deny_unknown_fields)]
struct ContactName {
    /// 姓: the family name.
    #[schema(required, example = "佐藤", min_length = 1, max_length = 200)]
    family_name: String,
    /// 名: the given name.
    #[schema(required, example = "健一", min_length = 1, max_length = 200)]
    given_name: String,
    /// 姓カナ: the reading of the family name, in katakana.
    #[serde(default)]
    #[schema(example = "サトウ", max_length = 200)]
    family_name_kana: String,
    /// 名カナ: the reading of the given name, in katakana.
    #[serde(default)]
    #[schema(example = "ケンイチ", max_length = 200)]
    given_name_kana: String,
}

/// What a member company says of itself. Absent texts are empty.
///
/// Only `company_name`, the contact's names, `email` and `phone` are needed to register; what Paid needs on top is
/// asked for when Paid is wished.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// 会社名: the company's name with its legal form. Paid takes at most 50 characters.
    #[schema(
        required,
        min_length = 1,
        max_length = 200,
        example = "株式会社みなと商会"
    )]
    pub company_name: String,
    /// 会社名カナ: its reading, in katakana. Paid requires it.
    #[schema(max_length = 200, example = "カブシキガイシャミナトショウカイ")]
    pub company_name_kana: String,
    /// 代表者: who represents the company. Paid requires the name and its reading.
    pub representative: PersonName,
    /// 担当者: whom the shop speaks with.
    #[schema(required, value_type = ContactName)]
    pub contact: PersonName,
    /// 郵便番号: seven digits, as `999-9999`.
    #[schema(max_length = 200, example = "231-0002")]
    pub postal_code: String,
    /// 都道府県: for Paid one of the 47 names, as 東京都.
    #[schema(max_length = 200, example = "神奈川県")]
    pub prefecture: String,
    /// 市区町村: city, ward, town or village.
    #[schema(max_length = 200, example = "横浜市中区")]
    pub city: String,
    /// 町名番地: the rest of the address, without the building.
    #[schema(max_length = 200, example = "海岸通4-1")]
    pub street: String,
    /// 建物名: building, floor and room.
    #[schema(max_length = 200, example = "みなとビル 3F")]
    pub building: String,
    /// 電話番号: half-width digits with hyphens.
    #[schema(
        required,
        min_length = 1,
        max_length = 200,
        pattern = r"^[-+() ]*([0-9][-+() ]*){5,}$",
        example = "045-000-1234"
    )]
    pub phone: String,
    /// 携帯電話番号: as `999-9999-9999`.
    #[schema(
        max_length = 200,
        pattern = r"^([-+() ]*([0-9][-+() ]*){5,})?$",
        example = "090-0000-1234"
    )]
    pub mobile_phone: String,
    /// FAX番号: half-width digits with hyphens.
    #[schema(
        max_length = 200,
        pattern = r"^([-+() ]*([0-9][-+() ]*){5,})?$",
        example = "045-000-1235"
    )]
    pub fax: String,
    /// メールアドレス: what the member logs in with. Unique in the store, compared without case and outer white space.
    #[schema(
        required,
        min_length = 1,
        max_length = 200,
        pattern = r"^[^@\s\u0000-\u001f\u007f-\u009f]+@[^@\s.\u0000-\u001f\u007f-\u009f]+(\.[^@\s.\u0000-\u001f\u007f-\u009f]+)+$",
        example = "buyer@minato.example"
    )]
    pub email: String,
    /// 設立年: the year in which the company was founded, of the Western calendar.
    #[schema(minimum = 0, maximum = 9999, example = 1987)]
    #[serde(deserialize_with = "optional_number")]
    pub founded_year: Option<i64>,
    /// 設立月: the month in which it was founded, 1 to 12.
    #[schema(minimum = 0, maximum = 12, example = 4)]
    #[serde(deserialize_with = "optional_number")]
    pub founded_month: Option<i64>,
    /// 年商: sales of a year, in yen. Paid takes at most 9 digits.
    #[schema(minimum = 0, example = 85_000_000)]
    #[serde(deserialize_with = "optional_number")]
    pub annual_sales: Option<i64>,
    /// 業種番号: the number of the industry in Paid's list.
    #[schema(minimum = 0, example = 12)]
    #[serde(deserialize_with = "optional_number")]
    pub business_type: Option<i64>,
    /// 取扱ブランド: the brands that it deals in.
    #[schema(max_length = 1000, example = "宇治茶、静岡茶")]
    pub brands: String,
    /// 店舗数: how many shops it has.
    #[schema(minimum = 0, example = 2)]
    #[serde(deserialize_with = "optional_number")]
    pub shop_count: Option<i64>,
    /// URL1 to URL3: its web sites, with `https://` or `http://`.
    #[schema(max_items = 3, example = json!(["https://minato.example"]))]
    pub urls: Vec<String>,
    /// PR: what it says of itself, free text.
    #[schema(
        max_length = 4000,
        example = "横浜で創業したお茶と和菓子の卸売店です。"
    )]
    pub profile: String,
    /// 締め日: the day of the month on which the buyer's account is closed: 20, or 31 for the end of the month (月末).
    #[schema(minimum = 0, maximum = 31, example = 31)]
    #[serde(deserialize_with = "optional_number")]
    pub closing_day: Option<i64>,
    /// 支払方法: how the buyer pays Paid, by its number there, 1 or 2.
    #[schema(minimum = 0, maximum = 9, example = 1)]
    #[serde(deserialize_with = "optional_number")]
    pub paid_payment_method: Option<i64>,
}

fn optional_number<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    #[derive(serde::Deserialize)]
    struct Number(#[serde(deserialize_with = "whole_number")] i64);
    <Option<Number> as serde::Deserialize>::deserialize(deserializer)
        .map(|number| number.map(|Number(value)| value))
}

/// The form in which two e-mail addresses are compared: trimmed and case-folded.
pub fn fold_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// What is wrong with a member's number.
pub fn check_number(number: &str, faults: &mut Faults) {
    let good = (1..=50).contains(&number.chars().count())
        && !number.chars().any(|c| c.is_control() || c.is_whitespace());
    faults.check(
        good,
        "/number",
        "malformed",
        text!("number-has-1-to-50-characters-without"),
    );
}
