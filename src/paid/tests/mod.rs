//! The client against the real sandbox and against a server that answers oddly; the field rules as a table.

mod fields;
mod odd_answers;
mod sandbox;
mod secrets;

use secrecy::SecretString;

use crate::domain::PaidKey;
use crate::domain::member::{PersonName, Profile};
use crate::paid::Account;

/// A secret that must show up nowhere.
pub const SECRET: &str = "SecretOfShop1";

pub fn key(text: &str) -> PaidKey {
    PaidKey::parse(text).expect("a key of a test is well formed")
}

pub fn account(address: std::net::SocketAddr) -> Account {
    Account {
        base_url: format!("http://{address}")
            .parse()
            .expect("an address makes a URL"),
        auth_code: SecretString::from(SECRET),
    }
}

pub fn profile(email: &str) -> Profile {
    let person = |family: &str, given: &str| PersonName {
        family_name: family.to_owned(),
        given_name: given.to_owned(),
        family_name_kana: "カナ".to_owned(),
        given_name_kana: "カナ".to_owned(),
    };
    Profile {
        company_name: "株式会社みなと商会".to_owned(),
        company_name_kana: "カブシキガイシャミナトショウカイ".to_owned(),
        representative: person("佐藤", "健一"),
        contact: person("鈴木", "花子"),
        postal_code: "231-0002".to_owned(),
        prefecture: "神奈川県".to_owned(),
        city: "横浜市中区".to_owned(),
        street: "海岸通4-1".to_owned(),
        phone: "045-000-1234".to_owned(),
        email: email.to_owned(),
        ..Profile::default()
    }
}
