//! Kakeuri's own rules for a member's profile: what is needed to register, and sane lengths. Paid's rules are stricter
//! and apply only where Paid is wished.

use super::fault::Faults;
use super::member::{PersonName, Profile};

/// The longest of ordinary texts.
const TEXT: usize = 200;
/// The longest list of brands.
const BRANDS: usize = 1000;
/// The longest address of a web site.
const URL: usize = 500;
/// The longest free text.
const FREE_TEXT: usize = 4000;
/// The most web sites.
const URLS: usize = 3;

impl Profile {
    /// Takes outer white space away where it would split one thing into two.
    pub fn tidy(&mut self) {
        for text in [&mut self.email, &mut self.company_name, &mut self.phone] {
            *text = text.trim().to_owned();
        }
    }

    /// Everything that is wrong.
    pub fn check(&self, faults: &mut Faults) {
        let contact = &self.contact;
        for (pointer, text) in [
            ("/company_name", &self.company_name),
            ("/contact/family_name", &contact.family_name),
            ("/contact/given_name", &contact.given_name),
            ("/email", &self.email),
            ("/phone", &self.phone),
        ] {
            faults.check(
                !text.trim().is_empty(),
                pointer,
                "required",
                text!("this-field-is-required"),
            );
        }
        self.check_lengths(faults);
        let malformed = |text: &str, good: bool| !text.is_empty() && !good;
        if malformed(&self.email, is_email(&self.email)) {
            faults.add(
                "/email",
                "malformed",
                text!("this-is-not-an-e-mail-address"),
            );
        }
        for (pointer, text) in [
            ("/phone", &self.phone),
            ("/mobile_phone", &self.mobile_phone),
            ("/fax", &self.fax),
        ] {
            if malformed(text, is_phone(text)) {
                faults.add(pointer, "malformed", text!("telephone-number-has-digits"));
            }
        }
        self.check_numbers(faults);
    }

    fn check_lengths(&self, faults: &mut Faults) {
        let mut check = |pointer: &str, text: &str, longest: usize| {
            if text.chars().count() > longest {
                faults.add(
                    pointer,
                    "too_long",
                    text!("at-most-characters", longest = longest),
                );
            }
        };
        for (pointer, text) in [
            ("/company_name", &self.company_name),
            ("/company_name_kana", &self.company_name_kana),
            ("/postal_code", &self.postal_code),
            ("/prefecture", &self.prefecture),
            ("/city", &self.city),
            ("/street", &self.street),
            ("/building", &self.building),
            ("/phone", &self.phone),
            ("/mobile_phone", &self.mobile_phone),
            ("/fax", &self.fax),
            ("/email", &self.email),
        ] {
            check(pointer, text, TEXT);
        }
        for (who, name) in [
            ("representative", &self.representative),
            ("contact", &self.contact),
        ] {
            for (part, text) in parts(name) {
                check(&format!("/{who}/{part}"), text, TEXT);
            }
        }
        check("/brands", &self.brands, BRANDS);
        check("/profile", &self.profile, FREE_TEXT);
        for (index, url) in self.urls.iter().enumerate() {
            check(&format!("/urls/{index}"), url, URL);
        }
        faults.check(
            self.urls.len() <= URLS,
            "/urls",
            "too_many",
            text!("at-most-three-web-sites"),
        );
    }

    fn check_numbers(&self, faults: &mut Faults) {
        for (pointer, number, most) in [
            ("/founded_year", self.founded_year, 9999),
            ("/founded_month", self.founded_month, 12),
            ("/annual_sales", self.annual_sales, i64::MAX),
            ("/business_type", self.business_type, i64::MAX),
            ("/shop_count", self.shop_count, i64::MAX),
            ("/closing_day", self.closing_day, 31),
            ("/paid_payment_method", self.paid_payment_method, 9),
        ] {
            let good = number.is_none_or(|number| (0..=most).contains(&number));
            faults.check(
                good,
                pointer,
                "out_of_range",
                text!("this-number-is-out-of-range"),
            );
        }
    }

    /// The names of the fields in which two profiles differ, as the log of events may show them.
    pub fn changed_fields(&self, other: &Self) -> Vec<String> {
        let fields = |profile: &Self| match serde_json::to_value(profile) {
            Ok(serde_json::Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let (before, after) = (fields(self), fields(other));
        after
            .iter()
            .filter(|(name, value)| before.get(*name) != Some(value))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

fn parts(name: &PersonName) -> [(&'static str, &String); 4] {
    [
        ("family_name", &name.family_name),
        ("given_name", &name.given_name),
        ("family_name_kana", &name.family_name_kana),
        ("given_name_kana", &name.given_name_kana),
    ]
}

/// The longest e-mail address there is, in bytes (RFC 5321).
pub const MAX_EMAIL: usize = 254;

/// Lenient: whether an address works only a mail to it can tell.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let blank = text.chars().any(|c| c.is_whitespace() || c.is_control());
    let labels = domain.split('.').all(|label| !label.is_empty());
    !blank && !local.is_empty() && !local.contains('@') && domain.contains('.') && labels
}

fn is_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    digits >= 5
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || "+-() ".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let mut faults = Faults::new();
        Profile::default().check(&mut faults);
        let pointers: Vec<_> = faults
            .into_vec()
            .into_iter()
            .map(|fault| fault.pointer)
            .collect();
        assert_eq!(
            pointers,
            [
                "/company_name",
                "/contact/family_name",
                "/contact/given_name",
                "/email",
                "/phone"
            ]
        );
    }

    #[test]
    fn addresses_and_numbers_are_looked_at_leniently() {
        for good in ["a@b.example", "a+b.c@sub.example.jp", "会員@例え.jp"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "a@b", "@b.c", "a b@c.d", "a@b..c", "a@@b.c"] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(is_phone("045-000-1234") && is_phone("+81 (45) 0001234"));
        assert!(!is_phone("電話") && !is_phone("12-34") && !is_phone("045.000.1234"));
    }

    #[test]
    fn only_the_names_of_changed_fields_are_told() {
        let before = Profile {
            city: "横浜市".into(),
            ..Profile::default()
        };
        let after = Profile {
            city: "川崎市".into(),
            urls: vec!["https://a.example".into()],
            ..before.clone()
        };
        assert_eq!(before.changed_fields(&after), ["city", "urls"]);
    }
}
