//! A member as an application: where each of Paid's fields stands in a member, and what Paid would refuse of it.

use paid_protocol::fields::{self, Breach, Violation};
use paid_protocol::meaning;
use paid_protocol::request::MemberData;

use crate::domain::member::Profile;
use crate::domain::{Fault, PaidKey};
use crate::texts::Text;

/// Reads the value of one field.
type Read = fn(&PaidKey, &Profile) -> String;

/// By the name on the wire: where the value stands in a member, as a JSON pointer, and how it is read.
#[rustfmt::skip]
const PLACES: &[(&str, &str, Read)] = &[
    ("b2bMemberId", "/paid/customer_number", |key, _| key.as_str().to_owned()),
    ("companyName", "/company_name", |_, p| p.company_name.clone()),
    ("companyNameKana", "/company_name_kana", |_, p| p.company_name_kana.clone()),
    ("representativeSei", "/representative/family_name", |_, p| p.representative.family_name.clone()),
    ("representativeMei", "/representative/given_name", |_, p| p.representative.given_name.clone()),
    ("representativeSeiKana", "/representative/family_name_kana", |_, p| p.representative.family_name_kana.clone()),
    ("representativeMeiKana", "/representative/given_name_kana", |_, p| p.representative.given_name_kana.clone()),
    ("zipCode", "/postal_code", |_, p| p.postal_code.clone()),
    ("prefecture", "/prefecture", |_, p| p.prefecture.clone()),
    ("address1", "/city", |_, p| p.city.clone()),
    ("address2", "/street", |_, p| p.street.clone()),
    ("address3", "/building", |_, p| p.building.clone()),
    ("clerkSei", "/contact/family_name", |_, p| p.contact.family_name.clone()),
    ("clerkMei", "/contact/given_name", |_, p| p.contact.given_name.clone()),
    ("clerkSeiKana", "/contact/family_name_kana", |_, p| p.contact.family_name_kana.clone()),
    ("clerkMeiKana", "/contact/given_name_kana", |_, p| p.contact.given_name_kana.clone()),
    ("tel", "/phone", |_, p| p.phone.clone()),
    ("fax", "/fax", |_, p| p.fax.clone()),
    ("mobileTel", "/mobile_phone", |_, p| p.mobile_phone.clone()),
    ("email", "/email", |_, p| p.email.clone()),
    ("establishedYear", "/founded_year", |_, p| digits(p.founded_year)),
    ("establishedMonth", "/founded_month", |_, p| digits(p.founded_month)),
    ("annualSales", "/annual_sales", |_, p| digits(p.annual_sales)),
    ("businessDetailType", "/business_type", |_, p| digits(p.business_type)),
    ("dealingBrand", "/brands", |_, p| p.brands.clone()),
    ("shopCount", "/shop_count", |_, p| digits(p.shop_count)),
    ("url1", "/urls/0", |_, p| url(p, 0)),
    ("url2", "/urls/1", |_, p| url(p, 1)),
    ("url3", "/urls/2", |_, p| url(p, 2)),
    ("profile", "/profile", |_, p| p.profile.clone()),
    ("closingDay", "/closing_day", |_, p| digits(p.closing_day)),
    ("paymentMethod", "/paid_payment_method", |_, p| digits(p.paid_payment_method)),
];

fn digits(number: Option<i64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn url(profile: &Profile, index: usize) -> String {
    profile.urls.get(index).cloned().unwrap_or_default()
}

/// The application of a member. Outer white space is not sent.
pub fn data_of(key: &PaidKey, profile: &Profile) -> MemberData {
    let mut data = MemberData::default();
    for (wire, _, read) in PLACES {
        data.set(wire, read(key, profile).trim());
    }
    data
}

/// Everything that Paid would refuse, so that a caller learns all of it at once; not what only Paid can tell.
pub fn faults_of(data: &MemberData) -> Vec<Fault> {
    fields::check(data).iter().map(fault).collect()
}

fn fault(violation: &Violation) -> Fault {
    let code = match violation.breach {
        Breach::Required => "required",
        Breach::TooLong => "too_long",
        Breach::Malformed => "malformed",
        Breach::OutOfRange => "out_of_range",
    };
    let message = meaning::of(violation.code)
        .map(Text::both)
        .unwrap_or_default();
    Fault {
        paid_code: Some(violation.code.to_owned()),
        ..Fault::new(pointer_to(violation.field.wire), code, message)
    }
}

/// Where the value that a B code is about stands in a member; empty for any other code.
pub fn pointer_of(code: &str) -> &'static str {
    fields::field_of(code).map_or("", |field| pointer_to(field.wire))
}

/// Where the value of a field stands in a member.
fn pointer_to(wire: &str) -> &'static str {
    let place = PLACES.iter().find(|(known, ..)| *known == wire);
    place.map_or("", |(_, pointer, _)| pointer)
}

#[cfg(test)]
mod tests {
    use paid_protocol::fields::FIELDS;

    use super::*;

    #[test]
    fn every_field_of_paid_stands_somewhere_in_a_member() {
        let placed: Vec<_> = PLACES.iter().map(|(wire, ..)| *wire).collect();
        let known: Vec<_> = FIELDS.iter().map(|field| field.wire).collect();
        assert_eq!(placed, known);
    }
}
