//! Paid's field rules for an application, as one table: used by the check before any call, by the sandbox and by
//! the texts of the B codes. Knows nothing of what an application is for.

use crate::codes::{EMAIL_TAKEN, UNKNOWN_INDUSTRY};
use crate::key::is_byte_of_key;
use crate::request::MemberData;

/// How a value must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Any text.
    Any,
    /// A customer number.
    Key,
    /// `999-9999`.
    PostalCode,
    /// One of the 47 names.
    Prefecture,
    /// Half-width digits in groups, with hyphens between them.
    Phone,
    /// `999-9999-9999`.
    MobilePhone,
    /// An e-mail address.
    Email,
    /// Half-width digits.
    Digits,
    /// An address of a web site.
    Url,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// One field of an application.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// The name on the wire.
    pub wire: &'static str,
    /// What it is called, as (Japanese, English).
    pub label: (&'static str, &'static str),
    /// The code of an empty value, if it may not be empty.
    pub required: Option<&'static str>,
    /// The most characters, and the code of more.
    pub max: Option<(usize, &'static str)>,
    /// The shape, and the code of another.
    pub shape: (Shape, &'static str),
    /// The least and the greatest number, and the code of another.
    pub range: Option<(u32, u32, &'static str)>,
}

impl Field {
    const fn new(wire: &'static str, label: (&'static str, &'static str)) -> Self {
        Self {
            wire,
            label,
            required: None,
            max: None,
            shape: (Shape::Any, ""),
            range: None,
        }
    }

    const fn required(self, code: &'static str) -> Self {
        Self {
            required: Some(code),
            ..self
        }
    }

    const fn max(self, characters: usize, code: &'static str) -> Self {
        Self {
            max: Some((characters, code)),
            ..self
        }
    }

    const fn shape(self, shape: Shape, code: &'static str) -> Self {
        Self {
            shape: (shape, code),
            ..self
        }
    }

    const fn range(self, from: u32, to: u32, code: &'static str) -> Self {
        Self {
            range: Some((from, to, code)),
            ..self
        }
    }
}

/// A company's or a person's name, or a part of an address: required, at most 50 characters.
const fn name(
    wire: &'static str,
    label: (&'static str, &'static str),
    codes: (&'static str, &'static str),
) -> Field {
    Field::new(wire, label).required(codes.0).max(50, codes.1)
}

/// The table. The names `address3`, `mobileTel`, `url2`, `url3`, `profile`, `closingDay` and `paymentMethod` are
/// assumed.
#[rustfmt::skip]
pub const FIELDS: &[Field] = &[
    Field::new("b2bMemberId", ("Paid顧客番号", "the customer number"))
        .required("B01").max(20, "B02").shape(Shape::Key, "B03"),
    name("companyName", ("会社名", "the company name"), ("B04", "B05")),
    name("companyNameKana", ("会社名カナ", "the company name's reading"), ("B06", "B07")),
    name("representativeSei", ("代表者姓", "the representative's family name"), ("B08", "B09")),
    name("representativeMei", ("代表者名", "the representative's given name"), ("B10", "B11")),
    name("representativeSeiKana", ("代表者姓カナ", "the reading of the representative's family name"), ("B12", "B13")),
    name("representativeMeiKana", ("代表者名カナ", "the reading of the representative's given name"), ("B14", "B15")),
    Field::new("zipCode", ("郵便番号", "the postal code"))
        .required("B16").max(8, "B17").shape(Shape::PostalCode, "B18"),
    Field::new("prefecture", ("都道府県", "the prefecture"))
        .required("B19").max(4, "B20").shape(Shape::Prefecture, "B21"),
    name("address1", ("市区町村", "the city"), ("B22", "B23")),
    name("address2", ("町名番地", "the street"), ("B24", "B25")),
    Field::new("address3", ("建物名", "the building")).max(50, "B26"),
    name("clerkSei", ("担当者姓", "the contact's family name"), ("B27", "B28")),
    name("clerkMei", ("担当者名", "the contact's given name"), ("B29", "B30")),
    name("clerkSeiKana", ("担当者姓カナ", "the reading of the contact's family name"), ("B31", "B32")),
    name("clerkMeiKana", ("担当者名カナ", "the reading of the contact's given name"), ("B33", "B34")),
    Field::new("tel", ("電話番号", "the telephone number"))
        .required("B35").max(25, "B36").shape(Shape::Phone, "B37"),
    Field::new("fax", ("FAX番号", "the fax number"))
        .max(25, "B38").shape(Shape::Phone, "B39"),
    Field::new("mobileTel", ("携帯電話番号", "the mobile number"))
        .max(25, "B40").shape(Shape::MobilePhone, "B41"),
    Field::new("email", ("メールアドレス", "the e-mail address"))
        .required("B42").max(100, "B43").shape(Shape::Email, "B44"),
    Field::new("establishedYear", ("設立年", "the founding year"))
        .shape(Shape::Digits, "B46").range(100, 2500, "B47"),
    Field::new("establishedMonth", ("設立月", "the founding month"))
        .shape(Shape::Digits, "B48").range(1, 12, "B49"),
    Field::new("annualSales", ("年商", "the annual sales"))
        .shape(Shape::Digits, "B50").max(9, "B51"),
    Field::new("businessDetailType", ("業種番号", "the industry number"))
        .shape(Shape::Digits, "B52"),
    Field::new("dealingBrand", ("取扱ブランド", "the brands")).max(300, "B54"),
    Field::new("shopCount", ("店舗数", "the number of shops"))
        .shape(Shape::Digits, "B55").max(10, "B56"),
    Field::new("url1", ("URL1", "the first web site")).max(200, "B57").shape(Shape::Url, "B58"),
    Field::new("url2", ("URL2", "the second web site")).max(200, "B59").shape(Shape::Url, "B60"),
    Field::new("url3", ("URL3", "the third web site")).max(200, "B61").shape(Shape::Url, "B62"),
    Field::new("profile", ("PR", "the free text")).max(1000, "B63"),
    Field::new("closingDay", ("締め日", "the closing day"))
        .shape(Shape::OneOf(&["20", "31"]), "B64"),
    Field::new("paymentMethod", ("支払方法", "the payment method"))
        .shape(Shape::OneOf(&["1", "2"]), "B65"),
];

/// The prefectures, in their official order.
#[rustfmt::skip]
pub const PREFECTURES: [&str; 47] = [
    "北海道", "青森県", "岩手県", "宮城県", "秋田県", "山形県", "福島県", "茨城県", "栃木県", "群馬県", "埼玉県", "千葉県",
    "東京都", "神奈川県", "新潟県", "富山県", "石川県", "福井県", "山梨県", "長野県", "岐阜県", "静岡県", "愛知県", "三重県",
    "滋賀県", "京都府", "大阪府", "兵庫県", "奈良県", "和歌山県", "鳥取県", "島根県", "岡山県", "広島県", "山口県", "徳島県",
    "香川県", "愛媛県", "高知県", "福岡県", "佐賀県", "長崎県", "熊本県", "大分県", "宮崎県", "鹿児島県", "沖縄県",
];

/// In which way a value breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// It is empty and may not be.
    Required,
    /// It has more characters than Paid takes.
    TooLong,
    /// It has another shape.
    Malformed,
    /// It is a number or a choice outside of what Paid takes.
    OutOfRange,
}

/// A value that Paid would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field.
    pub field: &'static Field,
    /// Which of its rules is broken.
    pub breach: Breach,
    /// The code that Paid would answer.
    pub code: &'static str,
}

/// Everything that Paid would refuse, so that a caller learns all of it at once. Never B45 and B53, which only Paid
/// can tell.
pub fn check(data: &MemberData) -> Vec<Violation> {
    FIELDS
        .iter()
        .flat_map(|field| violations_of(field, data.get(field.wire)))
        .collect()
}

fn violations_of(field: &'static Field, value: &str) -> Vec<Violation> {
    let violation = |breach, code| Violation {
        field,
        breach,
        code,
    };
    if value.is_empty() {
        let required = |code| violation(Breach::Required, code);
        return field.required.map(required).into_iter().collect();
    }
    let mut found = Vec::new();
    let (shape, malformed) = field.shape;
    let fits = fits(shape, value);
    if let Some((characters, code)) = field.max
        && value.chars().count() > characters
    {
        let breach = if shape == Shape::Digits {
            Breach::OutOfRange
        } else {
            Breach::TooLong
        };
        found.push(violation(breach, code));
    }
    if !fits {
        let breach = if matches!(shape, Shape::OneOf(_)) {
            Breach::OutOfRange
        } else {
            Breach::Malformed
        };
        found.push(violation(breach, malformed));
    }
    if let Some((from, to, code)) = field.range
        && fits
        && !value
            .parse::<u32>()
            .is_ok_and(|number| (from..=to).contains(&number))
    {
        found.push(violation(Breach::OutOfRange, code));
    }
    found
}

/// The field that a B code is about; B45 is about the e-mail address, B53 about the industry number.
pub fn field_of(code: &str) -> Option<&'static Field> {
    let wire = match code {
        EMAIL_TAKEN => "email",
        UNKNOWN_INDUSTRY => "businessDetailType",
        _ => "",
    };
    FIELDS.iter().find(|field| {
        field.wire == wire
            || field.required == Some(code)
            || field.max.is_some_and(|(_, known)| known == code)
            || field.range.is_some_and(|(.., known)| known == code)
            || (!code.is_empty() && field.shape.1 == code)
    })
}

fn fits(shape: Shape, value: &str) -> bool {
    match shape {
        Shape::Any => true,
        // Its length has a code of its own.
        Shape::Key => value.bytes().all(is_byte_of_key),
        Shape::PostalCode => groups(value, &[3, 4]),
        Shape::Prefecture => PREFECTURES.contains(&value),
        Shape::Phone => value.contains('-') && value.split('-').all(is_digits),
        Shape::MobilePhone => groups(value, &[3, 4, 4]),
        Shape::Email => is_email(value),
        Shape::Digits => is_digits(value),
        Shape::Url => is_url(value),
        Shape::OneOf(values) => values.contains(&value),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn groups(text: &str, lengths: &[usize]) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let fits = |(part, length): (&&str, &usize)| part.len() == *length && is_digits(part);
    parts.len() == lengths.len() && parts.iter().zip(lengths).all(fits)
}

/// Lenient on the local part, where real addresses of Japanese carriers break the standard.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let labels: Vec<_> = domain.split('.').collect();
    let is_label = |label: &&str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"@,;:<>()[]\\\"".contains(&byte);
    !local.is_empty()
        && local.bytes().all(plain)
        && labels.len() >= 2
        && labels.iter().all(is_label)
}

fn is_url(text: &str) -> bool {
    let known_scheme = text.starts_with("http://") || text.starts_with("https://");
    let spaced = text.chars().any(|c| c.is_whitespace() || c.is_control());
    known_scheme && !spaced && url::Url::parse(text).is_ok_and(|url| url.has_host())
}
