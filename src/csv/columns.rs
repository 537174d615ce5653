//! The columns: what each is called in either language, and where its value lives in a profile.

use std::borrow::Cow;

use super::table::{Columns, columns};
use crate::domain::member::{Profile, fold_email};

columns! {
    /// A column of a file of members.
    Column {
    Number = "number", "会員番号";
    /// Written only: an import reads it over.
    Status = "status", "会員ステータス";
    CompanyName = "company_name", "会社名";
    CompanyNameKana = "company_name_kana", "会社名カナ";
    RepresentativeFamilyName = "representative_family_name", "代表者姓";
    RepresentativeGivenName = "representative_given_name", "代表者名";
    RepresentativeFamilyNameKana = "representative_family_name_kana", "代表者姓カナ";
    RepresentativeGivenNameKana = "representative_given_name_kana", "代表者名カナ";
    ContactFamilyName = "contact_family_name", "担当者姓";
    ContactGivenName = "contact_given_name", "担当者名";
    ContactFamilyNameKana = "contact_family_name_kana", "担当者姓カナ";
    ContactGivenNameKana = "contact_given_name_kana", "担当者名カナ";
    PostalCode = "postal_code", "郵便番号";
    Prefecture = "prefecture", "都道府県";
    City = "city", "市区町村";
    Street = "street", "町名番地";
    Building = "building", "建物名";
    Phone = "phone", "電話番号";
    MobilePhone = "mobile_phone", "携帯電話番号";
    Fax = "fax", "FAX番号";
    Email = "email", "メールアドレス";
    FoundedYear = "founded_year", "設立年";
    FoundedMonth = "founded_month", "設立月";
    AnnualSales = "annual_sales", "年商";
    BusinessType = "business_type", "業種番号";
    Brands = "brands", "取扱ブランド";
    ShopCount = "shop_count", "店舗数";
    Url1 = "url1", "URL1";
    Url2 = "url2", "URL2";
    Url3 = "url3", "URL3";
    Profile = "profile", "PR";
    ClosingDay = "closing_day", "締め日";
    PaidPaymentMethod = "paid_payment_method", "支払方法";
    PaymentMethods = "payment_methods", "決済方法";
    PaidApplicationStatus = "paid_application_status", "Paid申請";
    PaidCustomerNumber = "paid_customer_number", "Paid顧客番号";
}

    fn is_only_shown(self) -> bool {
        self == Self::Status
    }

    fn is_unique(self) -> bool {
        matches!(self, Self::Number | Self::Email)
    }

    // Folded is what was meant, not how it is written.
    fn unique(self, cell: &str) -> Cow<'_, str> {
        if self == Self::Email {
            Cow::Owned(fold_email(cell))
        } else {
            Cow::Borrowed(cell.trim())
        }
    }
}

/// Declares which columns live in one field of a profile: the field, and the same to be changed.
macro_rules! fields {
    ($is:ident, $shared:ident, $mutable:ident: $type:ty { $($variant:ident: $($step:ident).+),+ $(,)? }) => {
        impl Column {
            /// Does the column hold this type?
            #[allow(dead_code, reason = "only asked of one type")]
            pub(super) fn $is(self) -> bool {
                matches!(self, $(Self::$variant)|+)
            }

            /// The column's field, if it is of this type.
            pub(super) fn $shared(self, profile: &Profile) -> Option<&$type> {
                match self {
                    $(Self::$variant => Some(&profile.$($step).+),)+
                    _ => None,
                }
            }

            /// The same, to be changed.
            pub(super) fn $mutable(self, profile: &mut Profile) -> Option<&mut $type> {
                match self {
                    $(Self::$variant => Some(&mut profile.$($step).+),)+
                    _ => None,
                }
            }
        }
    };
}

fields!(is_text, text, text_mut: String {
    CompanyName: company_name,
    CompanyNameKana: company_name_kana,
    RepresentativeFamilyName: representative.family_name,
    RepresentativeGivenName: representative.given_name,
    RepresentativeFamilyNameKana: representative.family_name_kana,
    RepresentativeGivenNameKana: representative.given_name_kana,
    ContactFamilyName: contact.family_name,
    ContactGivenName: contact.given_name,
    ContactFamilyNameKana: contact.family_name_kana,
    ContactGivenNameKana: contact.given_name_kana,
    PostalCode: postal_code,
    Prefecture: prefecture,
    City: city,
    Street: street,
    Building: building,
    Phone: phone,
    MobilePhone: mobile_phone,
    Fax: fax,
    Email: email,
    Brands: brands,
    Profile: profile,
});

fields!(is_number, number, number_mut: Option<i64> {
    FoundedYear: founded_year,
    FoundedMonth: founded_month,
    AnnualSales: annual_sales,
    BusinessType: business_type,
    ShopCount: shop_count,
    ClosingDay: closing_day,
    PaidPaymentMethod: paid_payment_method,
});

impl Column {
    /// Which of the web sites it is.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few columns are of this kind"
    )]
    pub(super) fn url(self) -> Option<usize> {
        match self {
            Self::Url1 => Some(0),
            Self::Url2 => Some(1),
            Self::Url3 => Some(2),
            _ => None,
        }
    }
}

/// The pointer to the column in which a field of a member stands: `/contact/family_name` is `/contact_family_name`,
/// `/urls/0` is `/url1`. A pointer to anything else stays as it is.
pub fn column_pointer(pointer: &str) -> String {
    let mut steps = pointer.split('/').skip(1);
    match (steps.next(), steps.next()) {
        (Some("urls"), index) => {
            let index: usize = index.and_then(|index| index.parse().ok()).unwrap_or(0);
            format!("/url{}", index + 1)
        }
        (Some("payment_methods"), Some(_)) => Column::PaymentMethods.pointer(),
        (Some(outer @ ("contact" | "representative" | "paid")), Some(inner)) => {
            format!("/{outer}_{inner}")
        }
        _ => pointer.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Faults;
    use crate::texts::Text;

    #[test]
    fn a_column_is_known_by_both_names() {
        assert!(Column::ALL.len() <= 64, "a set of columns has 64 places");
        for column in Column::ALL.iter().copied() {
            assert_eq!(Column::named(column.english()), Some(column));
            assert_eq!(Column::named(column.japanese()), Some(column));
        }
        for (header, column) in [
            (" Email\u{3000}", Column::Email),
            ("ＦＡＸ番号", Column::Fax),
            ("url1", Column::Url1),
        ] {
            assert_eq!(Column::named(header), Some(column), "{header}");
        }
        for header in ["", "password", "会社", "contact/family_name"] {
            assert_eq!(Column::named(header), None, "{header}");
        }
    }

    #[test]
    fn what_a_profile_says_of_a_field_names_its_column() {
        let long = "x".repeat(5000);
        let mut profile: Profile = serde_json::from_value(serde_json::json!({
            "founded_month": 13, "closing_day": -1, "phone": "x", "fax": "x", "urls": [long, long, long],
        }))
        .unwrap();
        profile.contact.given_name_kana.clone_from(&long);
        profile.representative.family_name = long;
        let mut faults = Faults::new();
        profile.check(&mut faults);
        faults.add("/paid/application_status", "x", Text::default());
        faults.add("/payment_methods/0", "x", Text::default());
        faults.add("/number", "x", Text::default());
        for fault in faults.into_vec() {
            let pointer = column_pointer(&fault.pointer);
            let column = Column::named(pointer.trim_start_matches('/'));
            assert_eq!(
                column.map(Columns::pointer).as_ref(),
                Some(&pointer),
                "{}",
                fault.pointer
            );
            assert_eq!(column_pointer(&pointer), pointer);
        }
    }
}
