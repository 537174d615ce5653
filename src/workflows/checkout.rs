//! What an order costs and what it may be paid with, before anything is written down.

use std::collections::HashMap;

use diesel_async::AsyncPgConnection;

use crate::db::member::Member;
use crate::db::paid_settings::PaidSettings;
use crate::db::product;
use crate::db::store::{self, Terms};
use crate::domain::application::ApplicationStatus;
use crate::domain::member::{MemberStatus, PaymentMethod};
use crate::domain::order::{CartLine, OrderContent, OrderLine};
use crate::domain::{Faults, MemberId, Reason, StoreId, Yen};
use crate::error::Error;
use crate::texts::Text;

/// The terms of an order that the shop places for a member.
///
/// # Errors
/// `unknown_member`.
pub async fn terms(
    store: StoreId,
    member: MemberId,
    conn: &AsyncPgConnection,
) -> Result<Terms, Error> {
    store::terms(store, member, conn).await?.ok_or_else(|| {
        Error::invalid(
            "/member_id",
            "unknown_member",
            text!("there-is-no-such-member"),
        )
    })
}

/// Lines with prices, and the products among them that exclude Paid.
#[derive(Clone, Debug)]
pub struct Cart {
    /// What the order is made of.
    pub content: OrderContent,
    /// Codes of products that may not be bought on deferred payment.
    pub not_on_paid: Vec<String>,
}

/// Prices what a buyer wants from the store's list. Products off sale count as unknown.
pub async fn price(
    store: StoreId,
    cart_lines: &[CartLine],
    conn: &AsyncPgConnection,
) -> Result<Cart, Error> {
    let codes: Vec<&str> = cart_lines
        .iter()
        .map(|line| line.product_code.as_str())
        .collect();
    let products = product::find_by_codes(store, &codes, conn).await?;
    let on_sale: HashMap<&str, _> = products
        .iter()
        .filter(|product| product.active)
        .map(|product| (product.code.as_str(), product))
        .collect();
    let mut faults = Faults::new();
    let mut lines = Vec::with_capacity(cart_lines.len());
    let mut not_on_paid = Vec::new();
    for (index, line) in cart_lines.iter().enumerate() {
        let at = |field: &str| format!("/lines/{index}/{field}");
        faults.check(
            line.quantity >= 1,
            &at("quantity"),
            "out_of_range",
            text!("quantity-is-1-or-more"),
        );
        let Some(product) = on_sale.get(line.product_code.as_str()) else {
            faults.add(
                at("product_code"),
                "unknown_product",
                text!("there-is-no-such-product-on-sale"),
            );
            continue;
        };
        if !product.paid_allowed {
            not_on_paid.push(product.code.clone());
        }
        lines.push(OrderLine {
            product_code: Some(product.code.clone()),
            name: product.name.clone(),
            unit_price: product.unit_price,
            quantity: line.quantity,
            tax_rate: product.tax_rate,
        });
    }
    faults.into_result()?;
    Ok(Cart {
        content: OrderContent {
            lines,
            shipping_fee: Yen::ZERO,
            payment_fee: Yen::ZERO,
        },
        not_on_paid,
    })
}

/// The codes among these lines whose products exclude Paid.
pub async fn excluded_from_paid(
    store: StoreId,
    lines: &[OrderLine],
    conn: &AsyncPgConnection,
) -> Result<Vec<String>, Error> {
    let codes: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.product_code.as_deref())
        .collect();
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let products = product::find_by_codes(store, &codes, conn).await?;
    Ok(products
        .into_iter()
        .filter(|product| !product.paid_allowed)
        .map(|product| product.code)
        .collect())
}

/// Why Paid cannot be chosen, apart from what Paid itself says: see *Only an approved member buys on Paid* in
/// docs/rules.md.
pub fn hindrances(settings: &PaidSettings, member: &Member, not_on_paid: &[String]) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut hinder = |hinders: bool, code: &str, message: Text| {
        if hinders {
            reasons.push(Reason::new(code, message));
        }
    };
    hinder(
        !settings.enabled,
        "paid_disabled",
        text!("store-does-not-offer-paid-at-present"),
    );
    hinder(
        member.status != MemberStatus::Active,
        "member_not_active",
        text!("member-is-not-active"),
    );
    hinder(
        !member.has(PaymentMethod::Paid),
        "paid_not_ticked",
        text!("paid-is-not-among-the-member-payment"),
    );
    hinder(
        !not_on_paid.is_empty(),
        "product_excluded",
        text!("product-in-the-cart-cannot-be-bought"),
    );
    reasons
}

/// Why the status of the application forbids Paid, if it does.
pub fn status_hindrance(status: ApplicationStatus) -> Option<Reason> {
    let approved = status == ApplicationStatus::ApprovedActive;
    (!approved).then(|| Reason::new("not_approved", text!("paid-has-not-approved-the-member")))
}
