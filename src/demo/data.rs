//! Who buys at the demo store, and what it sells. All of them are made up: addresses end in `.example`, telephone
//! numbers begin their local part with zeros.

use crate::domain::application::ApplicationStatus;
use crate::domain::member::{MemberStatus, PersonName, Profile};

/// How far a member's application goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Never applied.
    None,
    /// Waits for the shop (申請待ち).
    Pending,
    /// Submitted to Paid, whatever Paid says to that.
    Submitted,
    /// Submitted, and the verdict was asked for.
    Refreshed,
}

/// A made-up company.
pub struct Company {
    /// The e-mail's local part; the sandbox takes its verdict from what stands after the `+`.
    pub email: &'static str,
    /// Name and reading.
    pub name: [&'static str; 2],
    /// The representative, and the contact person: names and readings.
    pub people: [[&'static str; 4]; 2],
    /// Postal code, prefecture, city, street, building.
    pub address: [&'static str; 5],
    /// Telephone.
    pub phone: &'static str,
    /// Paid's number of the industry; the sandbox knows 1 to 99.
    pub business_type: i64,
    /// Where the member stands with the store.
    pub status: MemberStatus,
    /// The application.
    pub way: Way,
}

impl Company {
    /// The whole address.
    pub fn email(&self) -> String {
        let domain = self.email.split('+').next().unwrap_or_default();
        format!("{}@{domain}.example", self.email)
    }

    /// What the member says of itself.
    pub fn profile(&self) -> Profile {
        let [name, kana] = self.name.map(str::to_owned);
        let [representative, contact] = self.people.map(person);
        let [postal_code, prefecture, city, street, building] = self.address.map(str::to_owned);
        Profile {
            company_name: name,
            company_name_kana: kana,
            representative,
            contact,
            postal_code,
            prefecture,
            city,
            street,
            building,
            phone: self.phone.to_owned(),
            email: self.email(),
            founded_year: Some(1998),
            founded_month: Some(4),
            annual_sales: Some(85_000_000),
            business_type: Some(self.business_type),
            shop_count: Some(2),
            closing_day: Some(31),
            paid_payment_method: Some(1),
            ..Profile::default()
        }
    }

    /// The application's status before anything is sent.
    pub fn application_status(&self) -> ApplicationStatus {
        if self.way == Way::None {
            ApplicationStatus::None
        } else {
            ApplicationStatus::Pending
        }
    }
}

fn person([family, given, family_kana, given_kana]: [&str; 4]) -> PersonName {
    PersonName {
        family_name: family.to_owned(),
        given_name: given.to_owned(),
        family_name_kana: family_kana.to_owned(),
        given_name_kana: given_kana.to_owned(),
    }
}

const SATO: [&str; 4] = ["佐藤", "健一", "サトウ", "ケンイチ"];
const SUZUKI: [&str; 4] = ["鈴木", "美咲", "スズキ", "ミサキ"];
const TAKAHASHI: [&str; 4] = ["高橋", "直樹", "タカハシ", "ナオキ"];
const TANAKA: [&str; 4] = ["田中", "由美子", "タナカ", "ユミコ"];
const ITO: [&str; 4] = ["伊藤", "誠", "イトウ", "マコト"];
const WATANABE: [&str; 4] = ["渡辺", "さやか", "ワタナベ", "サヤカ"];

/// The members. The first three may pay with Paid; the first is the one that logs in.
pub const COMPANIES: [Company; 13] = [
    Company {
        email: "minato+active",
        name: ["株式会社みなと商会", "カブシキガイシャミナトショウカイ"],
        people: [SATO, SUZUKI],
        address: [
            "231-0002",
            "神奈川県",
            "横浜市中区",
            "海岸通4-1",
            "みなとビル3F",
        ],
        phone: "045-000-1001",
        business_type: 12,
        status: MemberStatus::Active,
        way: Way::Refreshed,
    },
    Company {
        email: "hoshino",
        name: ["株式会社ほしの文具", "カブシキガイシャホシノブング"],
        people: [TAKAHASHI, TAKAHASHI],
        address: ["101-0051", "東京都", "千代田区", "神田神保町9-9", ""],
        phone: "03-0000-1002",
        business_type: 21,
        status: MemberStatus::Active,
        way: Way::Refreshed,
    },
    Company {
        email: "sakura",
        name: ["有限会社さくら雑貨店", "ユウゲンガイシャサクラザッカテン"],
        people: [TANAKA, TANAKA],
        address: ["604-8005", "京都府", "京都市中京区", "三条通99", ""],
        phone: "075-000-1003",
        business_type: 33,
        status: MemberStatus::Active,
        way: Way::Refreshed,
    },
    Company {
        email: "hokuriku+review",
        name: ["北陸酒販株式会社", "ホクリクシュハンカブシキガイシャ"],
        people: [ITO, WATANABE],
        address: ["920-0855", "石川県", "金沢市", "武蔵町99-9", "北陸会館2F"],
        phone: "076-000-1004",
        business_type: 45,
        status: MemberStatus::Active,
        way: Way::Refreshed,
    },
    Company {
        email: "marukoshi+declined",
        name: ["丸越商店", "マルコシショウテン"],
        people: [SUZUKI, SUZUKI],
        address: ["460-0008", "愛知県", "名古屋市中区", "栄99-9", ""],
        phone: "052-000-1005",
        business_type: 33,
        status: MemberStatus::Active,
        way: Way::Refreshed,
    },
    Company {
        email: "shinonome+inactive",
        name: [
            "東雲インテリア株式会社",
            "シノノメインテリアカブシキガイシャ",
        ],
        people: [WATANABE, ITO],
        address: ["135-0062", "東京都", "江東区", "東雲9-99", "東雲倉庫A棟"],
        phone: "03-0000-1006",
        business_type: 52,
        status: MemberStatus::Active,
        way: Way::Refreshed,
    },
    Company {
        email: "aozora",
        name: ["あおぞら食品株式会社", "アオゾラショクヒンカブシキガイシャ"],
        people: [SATO, TANAKA],
        address: ["060-0001", "北海道", "札幌市中央区", "北一条西99", ""],
        phone: "011-000-1007",
        business_type: 45,
        status: MemberStatus::Active,
        way: Way::Submitted,
    },
    Company {
        email: "kurashiki",
        name: ["倉敷てぬぐい合同会社", "クラシキテヌグイゴウドウガイシャ"],
        people: [TANAKA, WATANABE],
        address: ["710-0054", "岡山県", "倉敷市", "本町99-9", ""],
        phone: "086-000-1008",
        business_type: 33,
        status: MemberStatus::Active,
        way: Way::Pending,
    },
    // The sandbox knows no such industry: Paid itself refuses the application (B53), and it stays pending.
    Company {
        email: "tosa",
        name: ["土佐かつお本舗株式会社", "トサカツオホンポカブシキガイシャ"],
        people: [ITO, SATO],
        address: ["780-0822", "高知県", "高知市", "はりまや町9-99", ""],
        phone: "088-000-1009",
        business_type: 777,
        status: MemberStatus::Active,
        way: Way::Submitted,
    },
    Company {
        email: "naniwa",
        name: ["なにわ包装資材店", "ナニワホウソウシザイテン"],
        people: [TAKAHASHI, SUZUKI],
        address: ["542-0081", "大阪府", "大阪市中央区", "南船場9-9", ""],
        phone: "06-0000-1010",
        business_type: 61,
        status: MemberStatus::Active,
        way: Way::None,
    },
    Company {
        email: "hakata",
        name: ["博多めんたい工房", "ハカタメンタイコウボウ"],
        people: [WATANABE, WATANABE],
        address: ["812-0011", "福岡県", "福岡市博多区", "博多駅前99", ""],
        phone: "092-000-1011",
        business_type: 45,
        status: MemberStatus::PendingApproval,
        way: Way::Pending,
    },
    Company {
        email: "yamabiko",
        name: ["やまびこ通商", "ヤマビコツウショウ"],
        people: [ITO, ITO],
        address: ["380-0824", "長野県", "長野市", "南長野99", ""],
        phone: "026-000-1012",
        business_type: 12,
        status: MemberStatus::Rejected,
        way: Way::None,
    },
    Company {
        email: "kamome",
        name: ["かもめ水産株式会社", "カモメスイサンカブシキガイシャ"],
        people: [SUZUKI, TAKAHASHI],
        address: ["985-0002", "宮城県", "塩竈市", "海岸通9-9", ""],
        phone: "022-000-1013",
        business_type: 45,
        status: MemberStatus::Suspended,
        way: Way::None,
    },
];

/// A product: code, name, unit price without tax, tax rate, on sale, may be bought on Paid.
pub type Goods = (&'static str, &'static str, i64, i16, bool, bool);

/// The price list.
pub const GOODS: [Goods; 10] = [
    ("TEA-100", "宇治煎茶 100g", 1_200, 8, true, true),
    ("TEA-500", "業務用ほうじ茶 500g", 2_400, 8, true, true),
    ("RICE-10", "特別栽培米 10kg", 5_600, 8, true, true),
    ("SOY-1L", "丸大豆しょうゆ 1L", 680, 8, true, true),
    ("CUP-01", "美濃焼 湯呑み", 900, 10, true, true),
    ("BAG-50", "ギフト用紙袋 50枚", 3_500, 10, true, true),
    ("TWL-10", "今治フェイスタオル 10枚組", 6_800, 10, true, true),
    ("DSK-01", "国産ひのき卓上台", 24_000, 10, true, true),
    // Something that buys like money is not sold on credit.
    ("GIFT-5K", "商品券 5,000円", 5_000, 0, true, false),
    ("CAL-25", "2025年版 卓上カレンダー", 800, 10, false, true),
];
