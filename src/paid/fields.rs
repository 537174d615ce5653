//! Paid's field rules for an application, as one table: used by the check before any call, by the sandbox and by
//! the texts of the B codes. Knows nothing of what an application is for.

use super::wire::MemberData;
use crate::domain::fault::Fault;
use crate::domain::keys::PaidKey;
use crate::domain::member::Profile;

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
pub struct Field {
    /// The name on the wire.
    pub wire: &'static str,
    /// Where the value stands in a member, as a JSON pointer.
    pub pointer: &'static str,
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
    read: fn(&PaidKey, &Profile) -> String,
}

impl Field {
    const fn new(
        wire: &'static str,
        pointer: &'static str,
        label: (&'static str, &'static str),
        read: fn(&PaidKey, &Profile) -> String,
    ) -> Self {
        Self {
            wire,
            pointer,
            label,
            required: None,
            max: None,
            shape: (Shape::Any, ""),
            range: None,
            read,
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
    pointer: &'static str,
    label: (&'static str, &'static str),
    read: fn(&PaidKey, &Profile) -> String,
    codes: (&'static str, &'static str),
) -> Field {
    Field::new(wire, pointer, label, read)
        .required(codes.0)
        .max(50, codes.1)
}

fn digits(number: Option<i64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn url(profile: &Profile, index: usize) -> String {
    profile.urls.get(index).cloned().unwrap_or_default()
}

/// The table. The names `address3`, `mobileTel`, `url2`, `url3`, `profile`, `closingDay` and `paymentMethod` are
/// assumed.
#[rustfmt::skip]
pub const FIELDS: &[Field] = &[
    Field::new("b2bMemberId", "/paid/customer_number", ("Paid顧客番号", "the customer number"), |key, _| key.as_str().to_owned())
        .required("B01").max(20, "B02").shape(Shape::Key, "B03"),
    name("companyName", "/company_name", ("会社名", "the company name"), |_, p| p.company_name.clone(), ("B04", "B05")),
    name("companyNameKana", "/company_name_kana", ("会社名カナ", "the company name's reading"), |_, p| p.company_name_kana.clone(), ("B06", "B07")),
    name("representativeSei", "/representative/family_name", ("代表者姓", "the representative's family name"), |_, p| p.representative.family_name.clone(), ("B08", "B09")),
    name("representativeMei", "/representative/given_name", ("代表者名", "the representative's given name"), |_, p| p.representative.given_name.clone(), ("B10", "B11")),
    name("representativeSeiKana", "/representative/family_name_kana", ("代表者姓カナ", "the reading of the representative's family name"), |_, p| p.representative.family_name_kana.clone(), ("B12", "B13")),
    name("representativeMeiKana", "/representative/given_name_kana", ("代表者名カナ", "the reading of the representative's given name"), |_, p| p.representative.given_name_kana.clone(), ("B14", "B15")),
    Field::new("zipCode", "/postal_code", ("郵便番号", "the postal code"), |_, p| p.postal_code.clone())
        .required("B16").max(8, "B17").shape(Shape::PostalCode, "B18"),
    Field::new("prefecture", "/prefecture", ("都道府県", "the prefecture"), |_, p| p.prefecture.clone())
        .required("B19").max(4, "B20").shape(Shape::Prefecture, "B21"),
    name("address1", "/city", ("市区町村", "the city"), |_, p| p.city.clone(), ("B22", "B23")),
    name("address2", "/street", ("町名番地", "the street"), |_, p| p.street.clone(), ("B24", "B25")),
    Field::new("address3", "/building", ("建物名", "the building"), |_, p| p.building.clone()).max(50, "B26"),
    name("clerkSei", "/contact/family_name", ("担当者姓", "the contact's family name"), |_, p| p.contact.family_name.clone(), ("B27", "B28")),
    name("clerkMei", "/contact/given_name", ("担当者名", "the contact's given name"), |_, p| p.contact.given_name.clone(), ("B29", "B30")),
    name("clerkSeiKana", "/contact/family_name_kana", ("担当者姓カナ", "the reading of the contact's family name"), |_, p| p.contact.family_name_kana.clone(), ("B31", "B32")),
    name("clerkMeiKana", "/contact/given_name_kana", ("担当者名カナ", "the reading of the contact's given name"), |_, p| p.contact.given_name_kana.clone(), ("B33", "B34")),
    Field::new("tel", "/phone", ("電話番号", "the telephone number"), |_, p| p.phone.clone())
        .required("B35").max(25, "B36").shape(Shape::Phone, "B37"),
    Field::new("fax", "/fax", ("FAX番号", "the fax number"), |_, p| p.fax.clone())
        .max(25, "B38").shape(Shape::Phone, "B39"),
    Field::new("mobileTel", "/mobile_phone", ("携帯電話番号", "the mobile number"), |_, p| p.mobile_phone.clone())
        .max(25, "B40").shape(Shape::MobilePhone, "B41"),
    Field::new("email", "/email", ("メールアドレス", "the e-mail address"), |_, p| p.email.clone())
        .required("B42").max(100, "B43").shape(Shape::Email, "B44"),
    Field::new("establishedYear", "/founded_year", ("設立年", "the founding year"), |_, p| digits(p.founded_year))
        .shape(Shape::Digits, "B46").range(100, 2500, "B47"),
    Field::new("establishedMonth", "/founded_month", ("設立月", "the founding month"), |_, p| digits(p.founded_month))
        .shape(Shape::Digits, "B48").range(1, 12, "B49"),
    Field::new("annualSales", "/annual_sales", ("年商", "the annual sales"), |_, p| digits(p.annual_sales))
        .shape(Shape::Digits, "B50").max(9, "B51"),
    Field::new("businessDetailType", "/business_type", ("業種番号", "the industry number"), |_, p| digits(p.business_type))
        .shape(Shape::Digits, "B52"),
    Field::new("dealingBrand", "/brands", ("取扱ブランド", "the brands"), |_, p| p.brands.clone()).max(300, "B54"),
    Field::new("shopCount", "/shop_count", ("店舗数", "the number of shops"), |_, p| digits(p.shop_count))
        .shape(Shape::Digits, "B55").max(10, "B56"),
    Field::new("url1", "/urls/0", ("URL1", "the first web site"), |_, p| url(p, 0)).max(200, "B57").shape(Shape::Url, "B58"),
    Field::new("url2", "/urls/1", ("URL2", "the second web site"), |_, p| url(p, 1)).max(200, "B59").shape(Shape::Url, "B60"),
    Field::new("url3", "/urls/2", ("URL3", "the third web site"), |_, p| url(p, 2)).max(200, "B61").shape(Shape::Url, "B62"),
    Field::new("profile", "/profile", ("PR", "the free text"), |_, p| p.profile.clone()).max(1000, "B63"),
    Field::new("closingDay", "/closing_day", ("締め日", "the closing day"), |_, p| digits(p.closing_day))
        .shape(Shape::OneOf(&["20", "31"]), "B64"),
    Field::new("paymentMethod", "/paid_payment_method", ("支払方法", "the payment method"), |_, p| digits(p.paid_payment_method))
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

impl MemberData {
    /// The application of a member. Outer white space is not sent.
    pub fn from_profile(key: &PaidKey, profile: &Profile) -> Self {
        let mut data = Self::default();
        for field in FIELDS {
            data.set(field.wire, (field.read)(key, profile).trim());
        }
        data
    }
}

/// Everything that Paid would refuse, so that a caller learns all of it at once. Never B45 and B53, which only Paid
/// can tell.
pub fn check(data: &MemberData) -> Vec<Fault> {
    FIELDS
        .iter()
        .flat_map(|field| faults_of(field, data.get(field.wire)))
        .collect()
}

fn faults_of(field: &Field, value: &str) -> Vec<Fault> {
    if value.is_empty() {
        let fault = |paid_code| fault(field, "required", paid_code);
        return field.required.map(fault).into_iter().collect();
    }
    let mut faults = Vec::new();
    let (shape, malformed) = field.shape;
    let fits = fits(shape, value);
    if let Some((characters, paid_code)) = field.max
        && value.chars().count() > characters
    {
        let code = if shape == Shape::Digits {
            "out_of_range"
        } else {
            "too_long"
        };
        faults.push(fault(field, code, paid_code));
    }
    if !fits {
        let one_of = matches!(shape, Shape::OneOf(_));
        faults.push(fault(
            field,
            if one_of { "out_of_range" } else { "malformed" },
            malformed,
        ));
    }
    if let Some((from, to, paid_code)) = field.range
        && fits
        && !value
            .parse::<u32>()
            .is_ok_and(|number| (from..=to).contains(&number))
    {
        faults.push(fault(field, "out_of_range", paid_code));
    }
    faults
}

fn fault(field: &Field, code: &str, paid_code: &str) -> Fault {
    let message = meaning(paid_code).map(|(_, en)| en).unwrap_or_default();
    Fault {
        paid_code: Some(paid_code.to_owned()),
        ..Fault::new(field.pointer, code, message)
    }
}

/// What a B code means, as (Japanese, English); `None` if it is none of the table's.
pub fn meaning(code: &str) -> Option<(String, String)> {
    let field = field_of(code)?;
    let (ja, en) = field.label;
    if field.required == Some(code) {
        return Some((format!("{ja}を入力してください"), format!("{en} is needed")));
    }
    if let Some((max, too_long)) = field.max
        && too_long == code
    {
        return Some(if field.shape.0 == Shape::Digits {
            (
                format!("{ja}は{max}桁以内で入力してください"),
                format!("{en} may have at most {max} digits"),
            )
        } else {
            (
                format!("{ja}は{max}文字以内で入力してください"),
                format!("{en} may have at most {max} characters"),
            )
        });
    }
    if let Some((from, to, out_of_range)) = field.range
        && out_of_range == code
    {
        return Some((
            format!("{ja}は{from}から{to}の範囲で入力してください"),
            format!("{en} must be from {from} to {to}"),
        ));
    }
    let (ja_form, en_form) = form(field.shape.0);
    Some((
        format!("{ja}は{ja_form}で入力してください"),
        format!("{en} must be {en_form}"),
    ))
}

/// The field that a B code is about; B45 is about the e-mail address, B53 about the industry number.
pub fn field_of(code: &str) -> Option<&'static Field> {
    let wire = match code {
        super::codes::EMAIL_TAKEN => "email",
        super::codes::UNKNOWN_INDUSTRY => "businessDetailType",
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

fn form(shape: Shape) -> (String, String) {
    let (ja, en) = match shape {
        Shape::Any => ("文字", "text"),
        Shape::Key => ("半角英数字と . _ -", "letters, digits, '.', '_' and '-'"),
        Shape::PostalCode => ("半角の 999-9999 の形式", "written as 999-9999"),
        Shape::Prefecture => (
            "「東京都」のような正式名称",
            "one of the 47 names, as 東京都",
        ),
        Shape::Phone => ("ハイフン付きの半角数字", "half-width digits with hyphens"),
        Shape::MobilePhone => ("半角の 999-9999-9999 の形式", "written as 999-9999-9999"),
        Shape::Email => ("正しいメールアドレスの形式", "a well-formed address"),
        Shape::Digits => ("半角数字", "half-width digits"),
        Shape::Url => (
            "http:// または https:// で始まるURL",
            "an address that begins with http:// or https://",
        ),
        Shape::OneOf(values) => {
            let (ja, en) = (values.join("か"), values.join(" or "));
            return (ja, en);
        }
    };
    (ja.to_owned(), en.to_owned())
}

fn fits(shape: Shape, value: &str) -> bool {
    match shape {
        Shape::Any => true,
        // Its length has a code of its own.
        Shape::Key => value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
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
