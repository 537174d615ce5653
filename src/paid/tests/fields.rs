use paid_protocol::fields::{FIELDS, field_of};
use paid_protocol::meaning;
use paid_protocol::request::MemberData;

use super::{key, profile};
use crate::domain::member::Profile;
use crate::paid::application::{data_of, faults_of, pointer_of};
use crate::texts::Text;

fn good() -> MemberData {
    data_of(&key("member-1"), &profile("buyer@minato.example"))
}

/// Every code that the check can raise, with a value that raises it and the fault's code.
#[expect(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<(&'static str, &'static str, String, &'static str)> {
    let long = |characters: usize| "あ".repeat(characters);
    let mut rows = vec![
        ("B01", "b2bMemberId", String::new(), "required"),
        ("B02", "b2bMemberId", "a".repeat(21), "too_long"),
        ("B03", "b2bMemberId", "a b".to_owned(), "malformed"),
        ("B16", "zipCode", String::new(), "required"),
        ("B17", "zipCode", "1234-56789".to_owned(), "too_long"),
        ("B18", "zipCode", "2310002".to_owned(), "malformed"),
        ("B19", "prefecture", String::new(), "required"),
        ("B20", "prefecture", "かながわけん".to_owned(), "too_long"),
        ("B21", "prefecture", "東京".to_owned(), "malformed"),
        ("B26", "address3", long(51), "too_long"),
        ("B35", "tel", String::new(), "required"),
        ("B36", "tel", format!("0{}-1", "1".repeat(24)), "too_long"),
        ("B37", "tel", "０４５-000-1234".to_owned(), "malformed"),
        ("B38", "fax", format!("0{}-1", "1".repeat(24)), "too_long"),
        ("B39", "fax", "0450001234".to_owned(), "malformed"),
        ("B40", "mobileTel", "1".repeat(26), "too_long"),
        ("B41", "mobileTel", "090-123-4567".to_owned(), "malformed"),
        ("B42", "email", String::new(), "required"),
        (
            "B43",
            "email",
            format!("{}@minato.example", "a".repeat(86)),
            "too_long",
        ),
        ("B44", "email", "buyer@minato".to_owned(), "malformed"),
        ("B46", "establishedYear", "昭和".to_owned(), "malformed"),
        ("B47", "establishedYear", "99".to_owned(), "out_of_range"),
        ("B48", "establishedMonth", "-1".to_owned(), "malformed"),
        ("B49", "establishedMonth", "13".to_owned(), "out_of_range"),
        ("B50", "annualSales", "-5".to_owned(), "malformed"),
        (
            "B51",
            "annualSales",
            "1000000000".to_owned(),
            "out_of_range",
        ),
        ("B52", "businessDetailType", "x".to_owned(), "malformed"),
        ("B54", "dealingBrand", long(301), "too_long"),
        ("B55", "shopCount", "一".to_owned(), "malformed"),
        ("B56", "shopCount", "12345678901".to_owned(), "out_of_range"),
        ("B63", "profile", long(1001), "too_long"),
        ("B64", "closingDay", "15".to_owned(), "out_of_range"),
        ("B65", "paymentMethod", "3".to_owned(), "out_of_range"),
    ];
    for (wire, empty, too_long) in [
        ("companyName", "B04", "B05"),
        ("companyNameKana", "B06", "B07"),
        ("representativeSei", "B08", "B09"),
        ("representativeMei", "B10", "B11"),
        ("representativeSeiKana", "B12", "B13"),
        ("representativeMeiKana", "B14", "B15"),
        ("address1", "B22", "B23"),
        ("address2", "B24", "B25"),
        ("clerkSei", "B27", "B28"),
        ("clerkMei", "B29", "B30"),
        ("clerkSeiKana", "B31", "B32"),
        ("clerkMeiKana", "B33", "B34"),
    ] {
        rows.push((empty, wire, String::new(), "required"));
        rows.push((too_long, wire, long(51), "too_long"));
    }
    for (wire, too_long, malformed) in [
        ("url1", "B57", "B58"),
        ("url2", "B59", "B60"),
        ("url3", "B61", "B62"),
    ] {
        rows.push((
            too_long,
            wire,
            format!("https://x.example/{}", "a".repeat(200)),
            "too_long",
        ));
        rows.push((malformed, wire, "ftp://x.example".to_owned(), "malformed"));
    }
    rows
}

#[test]
fn every_rule_of_paid_is_checked_before_any_call() {
    assert_eq!(faults_of(&good()), []);
    for (paid_code, wire, value, code) in table() {
        let mut data = good();
        data.set(wire, &value);
        let faults = faults_of(&data);
        assert_eq!(field_of(paid_code).unwrap().wire, wire, "{paid_code}");
        let pointer = pointer_of(paid_code);
        assert!(!pointer.is_empty(), "{wire} stands nowhere in a member");
        let found = faults
            .iter()
            .find(|fault| fault.paid_code.as_deref() == Some(paid_code));
        let fault =
            found.unwrap_or_else(|| panic!("{wire} = {value:?} gave {faults:?}, not {paid_code}"));
        assert_eq!(
            (fault.pointer.as_str(), fault.code.as_str()),
            (pointer, code),
            "{paid_code}"
        );
        assert_ne!(fault.message, Text::default());
    }
}

#[test]
fn the_table_covers_all_b_codes_and_each_has_a_text() {
    let covered: Vec<_> = table()
        .into_iter()
        .map(|(code, ..)| code.to_owned())
        .collect();
    for number in 1..=65 {
        let code = format!("B{number:02}");
        assert!(meaning::of(&code).is_some(), "{code} has no text");
        assert!(field_of(&code).is_some(), "{code} belongs to no field");
        let only_paid_knows = ["B45", "B53"].contains(&code.as_str());
        assert_eq!(covered.contains(&code), !only_paid_knows, "{code}");
    }
    assert!(meaning::of("B66").is_none() && meaning::of("").is_none());
}

#[test]
fn lengths_count_characters_and_limits_are_inclusive() {
    let mut data = good();
    for (wire, value) in [
        ("companyName", "社".repeat(50)),
        ("dealingBrand", "品".repeat(300)),
        ("profile", "文".repeat(1000)),
        ("establishedYear", "100".to_owned()),
        ("establishedMonth", "12".to_owned()),
        ("annualSales", "999999999".to_owned()),
        ("shopCount", "9999999999".to_owned()),
        ("businessDetailType", "12345".to_owned()),
        ("closingDay", "31".to_owned()),
        ("paymentMethod", "2".to_owned()),
        ("mobileTel", "090-1234-5678".to_owned()),
        ("url3", "https://例え.example/店?a=1".to_owned()),
        ("email", "da.me..@docomo.ne.jp".to_owned()),
    ] {
        data.set(wire, &value);
    }
    assert_eq!(faults_of(&data), []);
}

#[test]
fn an_empty_profile_reports_every_needed_field_at_once() {
    let data = data_of(&key("member-1"), &Profile::default());
    let faults = faults_of(&data);
    let required = FIELDS
        .iter()
        .filter(|field| field.required.is_some())
        .count()
        - 1;
    assert_eq!(faults.len(), required);
    assert!(faults.iter().all(|fault| fault.code == "required"));
    assert!(
        faults
            .iter()
            .any(|fault| fault.pointer == "/representative/family_name")
    );
}

#[test]
fn personal_data_does_not_show_in_debug() {
    assert!(!format!("{:?}", good()).contains("佐藤"));
}
