//! Whole files, there and back.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::domain::application::ApplicationStatus;
use crate::domain::member::{MemberStatus, PaymentMethod, PersonName, Profile};
use crate::domain::{Fault, Faults, PaidKey};
use crate::texts::Text;

type Rows = Vec<Result<Row, Unreadable>>;

fn read(file: &[u8]) -> Rows {
    let mut file = Cursor::new(file);
    let encoding = detect(&mut file, false).unwrap();
    let mut reader = Reader::<_, Column>::new(file, encoding);
    let mut found = Vec::new();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        assert!(chunk.lines.len() <= CHUNK);
        let part = rows(&chunk.bytes).unwrap();
        let lines: Vec<u32> = part
            .iter()
            .map(|row| row.as_ref().map_or_else(|bad| bad.line, |row| row.line()))
            .collect();
        assert_eq!(lines, chunk.lines);
        found.extend(part);
    }
    found
}

/// Every row must be readable.
fn good(file: &[u8]) -> Vec<Row> {
    read(file).into_iter().map(|row| row.unwrap()).collect()
}

/// The faults as `line pointer code`.
fn faults(file: &[u8]) -> Vec<String> {
    let told = |line: u32, fault: &Fault| format!("{line} {} {}", fault.pointer, fault.code);
    read(file)
        .iter()
        .flat_map(|row| match row {
            Ok(row) => row
                .faults()
                .iter()
                .map(|fault| told(row.line(), fault))
                .collect::<Vec<_>>(),
            Err(bad) => bad
                .faults
                .iter()
                .map(|fault| told(bad.line, fault))
                .collect(),
        })
        .collect()
}

fn applied(row: &Row) -> Profile {
    let mut profile = Profile::default();
    row.apply(&mut profile);
    profile
}

/// Texts as they come: with everything that a file, a spreadsheet or an encoding gives a meaning to.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9 ]{0,4}",
        4 => "[ぁ-んァ-ヶ一-龠ー０-９Ａ-Ｚ－＝＋＠　]{0,4}",
        1 => "[ｱ-ﾟ]{1,4}",
        4 => prop::sample::select(vec![
            "\"", ",", "'", "''", "=", "+", "-", "@", "\t", "\r", "\n", "\r\n", "＝", "＋", "－", "＠", "髙", "①", "〜",
            "～", "−", "¥", "‾", "\\", "&", "&#", "&#38;", "&#9731;", ";", "é", "𠮷", "😀", "\u{fffd}", "\u{feff}",
            "\u{e000}", "|", "、",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_filter("PostgreSQL has no NUL", |c| *c != '\0').prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// A text that a check of the profile lets pass where something is needed, as it is stored: trimmed.
fn needed() -> impl Strategy<Value = String> {
    text().prop_map(|text| format!("{}x", text.trim_start()))
}

fn phone() -> impl Strategy<Value = String> {
    "[+(]?[0-9]{5}[0-9() -]{0,4}[0-9]"
}

fn person() -> impl Strategy<Value = PersonName> {
    (needed(), needed(), text(), text()).prop_map(
        |(family_name, given_name, family_name_kana, given_name_kana)| PersonName {
            family_name,
            given_name,
            family_name_kana,
            given_name_kana,
        },
    )
}

fn number() -> impl Strategy<Value = Option<i64>> {
    prop::option::of(prop_oneof![0..40_i64, 0..=i64::MAX])
}

prop_compose! {
    fn profile()(
        company_name in needed(), company_name_kana in text(), representative in person(), contact in person(),
        address in [text(), text(), text(), text(), text()], phones in (phone(), phone(), prop::option::of(phone())),
        email in "[-+=@']?[a-zａ-ｚ０-９]{1,5}@[a-z]{1,5}\\.例え", numbers in [number(), number(), number(), number(), number()],
        texts in [text(), text()], urls in prop::collection::vec(text(), 0..4),
    ) -> Profile {
        let [postal_code, prefecture, city, street, building] = address;
        let [annual_sales, business_type, shop_count, year, month] = numbers;
        let [brands, profile] = texts;
        Profile {
            company_name, company_name_kana, representative, contact, postal_code, prefecture, city, street, building,
            phone: phones.0, mobile_phone: phones.1, fax: phones.2.unwrap_or_default(), email: email.replacen("@@", "@", 1),
            founded_year: year.map(|year| year % 10_000), founded_month: month.map(|month| month % 13),
            annual_sales, business_type, brands, shop_count, urls, profile,
            closing_day: month.map(|day| day % 32), paid_payment_method: year.map(|method| method % 10),
        }
    }
}

fn written(members: &[Exported<'_>], encoding: CsvEncoding, language: CsvLanguage) -> Vec<u8> {
    let (writer, mut file) = (Writer { encoding, language }, Vec::new());
    writer.header(&mut file);
    members
        .iter()
        .for_each(|member| writer.member(member, &mut file));
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_exported_changes_nothing(
        profile in profile(), number in "[=+@'0-9A-Z０-９-]{1,8}", methods in prop::sample::subsequence(PaymentMethod::ALL, 0..=3),
        status in prop::sample::select(ApplicationStatus::ALL), key in prop::option::of("[-A-Za-z0-9._]{1,20}"),
    ) {
        let key = key.map(|key| PaidKey::parse(&key).unwrap());
        let member = Exported {
            number: &number, status: MemberStatus::Active, profile: &profile, payment_methods: &methods,
            application_status: status, customer_number: key.as_ref(),
        };
        for encoding in CsvEncoding::ALL.iter().copied() {
            for language in CsvLanguage::ALL.iter().copied() {
                let rows = good(&written(&[member], encoding, language));
                prop_assert_eq!(rows.len(), 1);
                let row = &rows[0];
                prop_assert!(row.faults().is_empty(), "{:?}", row.faults());
                let mut same = profile.clone();
                row.apply(&mut same);
                prop_assert_eq!(&same, &profile);
                let mut tidy = same.clone();
                tidy.tidy();
                prop_assert_eq!(&tidy, &profile);
                prop_assert_eq!(row.number.as_deref(), Some(number.as_str()));
                prop_assert_eq!(row.email.as_deref(), Some(profile.email.as_str()));
                prop_assert_eq!(row.payment_methods.as_deref(), Some(methods.as_slice()));
                let shown = Some(status).filter(|status| *status != ApplicationStatus::None);
                prop_assert_eq!(row.application_status, shown);
                prop_assert_eq!(&row.customer_number, &key);
            }
        }
    }

    #[test]
    fn reading_a_file_twice_is_reading_it_once(cells in prop::collection::vec("[０-９0-9ー−－-]{0,9}", 3)) {
        let file = format!("postal_code,phone,annual_sales\n\"{}\",\"{}\",\"{}\"\n", cells[0], cells[1], cells[2]);
        for row in good(file.as_bytes()) {
            let once = applied(&row);
            let mut twice = once.clone();
            row.apply(&mut twice);
            prop_assert_eq!(once, twice);
        }
    }

    #[test]
    fn no_bytes_break_the_reading(bytes in prop::collection::vec(prop::sample::select(b"a,\"\r\n\x00\x83\xe3\xff9'".to_vec()), 0..60)) {
        let file = [b"number,email,founded_year\n", &bytes[..]].concat();
        for row in read(&file).into_iter().flatten() {
            applied(&row);
        }
    }
}

#[test]
fn excels_file_in_shift_jis_is_read_with_its_own_characters() {
    // 会員番号,会社名,担当者姓,設立年,決済方法,Paid申請 / 0012,㈱髙①商店,髙橋,１９９８,銀行振込、Paid,申請待ち: `iconv -t CP932`, CRLF.
    let file = include_bytes!("../../tests/api/fixtures/excel_cp932.csv");
    let rows = good(file);
    let row = &rows[0];
    assert_eq!((row.number.as_deref(), row.line()), (Some("0012"), 2));
    assert_eq!(
        row.payment_methods,
        Some(vec![PaymentMethod::Paid, PaymentMethod::BankTransfer])
    );
    assert_eq!(row.application_status, Some(ApplicationStatus::Pending));
    let profile = applied(row);
    assert_eq!(
        (
            profile.company_name.as_str(),
            profile.contact.family_name.as_str()
        ),
        ("㈱髙①商店", "髙橋")
    );
    assert_eq!(profile.founded_year, Some(1998));
}

#[test]
fn headers_come_in_either_language_and_any_order() {
    let text = "\u{feff}決済方法, EMAIL ,会員番号,会員ステータス,ＵＲＬ１,paid_application_status\r\nPAID｜代金引換, a@b.example ,,有効,https://a.example,\r\n";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for file in [text.as_bytes(), &utf16] {
        let rows = good(file);
        let row = &rows[0];
        assert!(row.faults().is_empty(), "{:?}", row.faults());
        assert_eq!(
            row.payment_methods,
            Some(vec![PaymentMethod::Paid, PaymentMethod::CashOnDelivery])
        );
        assert_eq!(
            (row.number.as_deref(), row.email.as_deref()),
            (None, Some("a@b.example"))
        );
        assert_eq!(row.application_status, None);
        assert_eq!(applied(row).urls, ["https://a.example"]);
    }
}

#[test]
fn only_the_columns_of_the_file_are_written() {
    let mut profile = Profile {
        city: "横浜市".into(),
        urls: vec!["a".into(), "b".into(), "c".into()],
        ..Profile::default()
    };
    profile.contact.family_name = "佐藤".into();
    let before = profile.clone();
    good(b"url2,building,street\n,'=1,\n")[0].apply(&mut profile);
    assert_eq!(
        profile,
        Profile {
            urls: vec!["a".into(), "c".into()],
            building: "=1".into(),
            ..before
        }
    );
}

#[test]
fn widths_are_made_one_only_where_it_is_safe() {
    let file = "会員番号,郵便番号,電話番号,FAX番号,町名番地,設立年,メールアドレス,Paid顧客番号\nＢ０１,2310002,０４５ー０００ー１２３４,（０４５）０００,海岸通４－１,１９９８,ａ＠b.example,Ａ－１\n";
    let row = &good(file.as_bytes())[0];
    assert_eq!(row.number.as_deref(), Some("Ｂ０１"));
    assert_eq!(
        row.customer_number.as_ref().map(PaidKey::as_str),
        Some("A-1")
    );
    let profile = applied(row);
    assert_eq!(
        (profile.postal_code.as_str(), profile.phone.as_str()),
        ("231-0002", "045-000-1234")
    );
    assert_eq!(
        (profile.fax.as_str(), profile.street.as_str()),
        ("(045)000", "海岸通４－１")
    );
    assert_eq!(
        (profile.founded_year, profile.email.as_str()),
        (Some(1998), "ａ＠b.example")
    );
}

#[test]
fn every_fault_of_a_row_is_told_by_its_column() {
    let file = "number,founded_year,annual_sales,決済方法,paid_application_status,paid_customer_number,city,phone\n\
        1,abc,99999999999999999999,現金,maybe,会員1,a\0b,123\n";
    assert_eq!(
        faults(file.as_bytes()),
        [
            "2 /city nul_character",
            "2 /founded_year wrong_type",
            "2 /annual_sales invalid_value",
            "2 /payment_methods invalid_value",
            "2 /paid_application_status invalid_value",
            "2 /paid_customer_number invalid_value",
        ]
    );
    let row = &good(file.as_bytes())[0];
    assert_eq!(row.faults()[3].column.as_deref(), Some("決済方法"));
    let mut found = Faults::new();
    let profile = applied(row);
    assert_eq!((profile.founded_year, profile.city.as_str()), (None, ""));
    profile.check(&mut found);
    found.add("/founded_year", "out_of_range", Text::words("told already"));
    let all = row.with_faults(found.into_vec());
    let named = |pointer: &str| {
        all.iter()
            .find(|fault| fault.pointer == pointer)
            .and_then(|fault| fault.column.clone())
    };
    assert_eq!(
        all.iter()
            .filter(|fault| fault.pointer == "/founded_year")
            .count(),
        1
    );
    assert_eq!(
        (named("/phone"), named("/contact_family_name")),
        (Some("phone".into()), None)
    );
    assert!(
        all.iter()
            .any(|fault| fault.pointer == "/contact_family_name")
    );
}

#[test]
fn a_wrong_first_line_is_told_and_the_rest_is_judged() {
    let file = "会社名,パスワード,company_name,,a/b\nA,x,A,,\nB,x,C,,\n";
    assert_eq!(
        faults(file.as_bytes()),
        [
            "1 /パスワード unknown_column",
            "1 /company_name duplicate_column",
            "1 / unknown_column",
            "1 /a~1b unknown_column",
            "3 /company_name duplicate_column",
        ]
    );
    assert_eq!(
        faults(b"1,x@y.example\n2,\n"),
        [
            "1 /1 unknown_column",
            "1 /x@y.example unknown_column",
            "1  no_known_column"
        ]
    );
    assert_eq!(faults(b"\n\n\"number\n1\n"), ["3  unclosed_quote"]);
}

#[test]
fn a_record_that_cannot_be_told_apart_is_named_by_its_line() {
    let file = b"number,city\n1\n\n\"2\",\"a\nb\"\n3,4,5\n,\n4,\"\n";
    assert_eq!(
        faults(file),
        [
            "2  wrong_number_of_cells",
            "6  wrong_number_of_cells",
            "8  unclosed_quote"
        ]
    );
    let lines: Vec<_> = read(file)
        .into_iter()
        .flatten()
        .map(|row| row.line())
        .collect();
    assert_eq!(lines, [4]);
    let undecodable = b"number,city,street\n1,\x89\x83\x96{,\x83\xff\n2,\x89\x83,\n";
    assert_eq!(faults(undecodable), ["2 /street undecodable"]);
}

#[test]
fn the_same_number_or_address_twice_is_the_fault_of_the_later_row() {
    let mut file = "number,email\n".to_owned();
    for number in 0..2500 {
        file.push_str(&format!("M{number},m{number}@b.example\n"));
    }
    file.push_str("M7,new@b.example\nm7,\" M8@B.example \"\n,\n,x@b.example\n,y@b.example\n");
    assert_eq!(
        faults(file.as_bytes()),
        [
            "2502 /number duplicate_in_file",
            "2503 /email duplicate_in_file"
        ]
    );
    let last = read(file.as_bytes())
        .into_iter()
        .flatten()
        .nth(2500)
        .unwrap();
    assert_eq!(
        last.faults()[0].message.to_string(),
        "Line 9 has the same number."
    );
}

#[test]
fn an_empty_file_is_none_and_a_first_line_alone_has_no_rows() {
    for empty in [&b""[..], b"\xef\xbb\xbf", b"\r\n\r\n"] {
        let mut file = Cursor::new(empty);
        let encoding = detect(&mut file, false).unwrap();
        assert!(matches!(
            Reader::<_, Column>::new(file, encoding).next_chunk(),
            Err(FileError::Empty)
        ));
    }
    assert!(read(b"number,email\n").is_empty());
}

#[test]
fn formulas_are_no_formulas_in_the_file() {
    let profile = Profile {
        phone: "+81 45".into(),
        city: "＝1".into(),
        building: "'x".into(),
        street: "@SUM(A1)".into(),
        ..Profile::default()
    };
    let member = Exported {
        number: "-1",
        status: MemberStatus::Active,
        profile: &profile,
        payment_methods: &[],
        application_status: ApplicationStatus::None,
        customer_number: None,
    };
    let file = String::from_utf8(written(&[member], CsvEncoding::Utf8, CsvLanguage::Ja)).unwrap();
    let (header, line) = file.split_once("\r\n").unwrap();
    assert!(header.starts_with("\u{feff}会員番号,会員ステータス,会社名"));
    assert!(line.starts_with("'-1,有効,") && line.ends_with("\r\n"));
    for cell in [",'+81 45,", ",'＝1,", ",''x,", ",'@SUM(A1),"] {
        assert!(line.contains(cell), "{cell} in {line}");
    }
}
