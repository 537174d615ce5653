//! Rows of a file of products: what each would do to the price list, and doing it.
//!
//! A row is about the product with its external id or its code, and otherwise makes a new one. It is held to the same rules
//! as an admin's form.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;

use super::{Offer, event, terms};
use crate::csv::{Columns as _, ProductColumn, ProductRow};
use crate::db::event::NewEvent;
use crate::db::json::Json;
use crate::db::product::{self, Product};
use crate::domain::events::EventType;
use crate::domain::job::RowVerdict;
use crate::domain::{Attachment, ExternalId, Fault, ProductId, StoreId, Yen};
use crate::error::Error;
use crate::texts::Text;

/// What rows do to products.
#[derive(Debug, Default)]
pub struct Effects {
    created: Vec<Product>,
    changed: Vec<Product>,
    /// For the log, which is written last.
    pub events: Vec<NewEvent>,
}

impl Effects {
    /// Writes the products, those that change under their locks.
    pub async fn write(
        &self,
        now: DateTime<Utc>,
        conn: &mut AsyncPgConnection,
    ) -> Result<(), Error> {
        product::save_many(&self.changed, now, conn).await?;
        Ok(product::insert_many(&self.created, conn).await?)
    }
}

/// Judges rows one after the other, each with what those before it do.
pub struct RowJudge {
    store: StoreId,
    now: DateTime<Utc>,
    products: Vec<Product>,
    by_code: HashMap<String, usize>,
    by_external_id: HashMap<ExternalId, usize>,
    /// Products that a row was about already.
    touched: HashSet<usize>,
    effects: Effects,
}

impl RowJudge {
    /// For these rows; with `lock` the products that they name are locked, for an effect in the same transaction.
    pub async fn new<'a>(
        store: StoreId,
        now: DateTime<Utc>,
        rows: impl Iterator<Item = &'a ProductRow> + Clone,
        lock: bool,
        conn: &mut AsyncPgConnection,
    ) -> Result<Self, Error> {
        let codes: Vec<&str> = rows.clone().filter_map(|row| row.code.as_deref()).collect();
        let ids: Vec<ExternalId> = rows.filter_map(|row| row.external_id.clone()).collect();
        let mut judge = Self {
            store,
            now,
            products: Vec::new(),
            by_code: HashMap::new(),
            by_external_id: HashMap::new(),
            touched: HashSet::new(),
            effects: Effects::default(),
        };
        for product in product::named(store, &codes, &ids, lock, conn).await? {
            judge.know(product);
        }
        Ok(judge)
    }

    /// What was decided has effects.
    pub fn into_effects(self) -> Effects {
        self.effects
    }

    fn know(&mut self, product: Product) {
        let place = self.products.len();
        self.by_code.insert(product.code.clone(), place);
        if let Some(id) = &product.external_id {
            self.by_external_id.insert(id.clone(), place);
        }
        self.products.push(product);
    }

    /// What a row comes to.
    ///
    /// # Errors
    /// None that is the row's.
    pub fn judge(&mut self, row: &ProductRow) -> Result<RowVerdict<ProductId>, Error> {
        let meant = match self.meant(row) {
            Ok(meant) => meant,
            Err(fault) => return Ok(RowVerdict::Refused(None, row.with_faults([fault]))),
        };
        let before = meant.map(|place| &self.products[place]);
        let id = before.map(|product| product.id);
        let (offer, missing) = offer(row, before);
        let mut found = missing;
        let offer = match offer.checked() {
            Ok(offer) => Some(offer),
            Err(Error::Problem(problem)) => {
                // What is missing is not wrong as well.
                let is_missing =
                    |fault: &Fault| found.iter().any(|known| known.pointer == fault.pointer);
                let mut errors = problem.errors;
                errors.retain(|fault| !is_missing(fault));
                found.extend(errors);
                None
            }
            Err(error) => return Err(error),
        };
        let faults = row.with_faults(found);
        let Some(offer) = offer.filter(|_| faults.is_empty()) else {
            return Ok(RowVerdict::Refused(id, faults));
        };
        Ok(match meant {
            Some(place) => self.change(place, offer),
            None => self.create(offer),
        })
    }

    /// The product that a row is about, if there is one.
    fn meant(&self, row: &ProductRow) -> Result<Option<usize>, Fault> {
        let by_code = row
            .code
            .as_ref()
            .and_then(|code| self.by_code.get(code))
            .copied();
        let fault = |column: ProductColumn, code: &str, message: Text| {
            Fault::new(column.pointer(), code, message)
        };
        let by_id = row
            .external_id
            .as_ref()
            .and_then(|id| self.by_external_id.get(id))
            .copied();
        match (by_id, by_code) {
            (Some(id), Some(code)) if id != code => Err(fault(
                ProductColumn::Code,
                "ambiguous",
                text!("code-and-the-external-id-belong"),
            )),
            (Some(place), _) | (None, Some(place)) if self.touched.contains(&place) => Err(fault(
                ProductColumn::Code,
                "duplicate_in_file",
                text!("earlier-row-of-the-file-is-about"),
            )),
            (place, other) => Ok(place.or(other)),
        }
    }

    fn create(&mut self, offer: Offer) -> RowVerdict<ProductId> {
        let product = offer.into_new(self.store, self.now);
        let id = product.id;
        self.effects
            .events
            .push(event(EventType::ProductCreated, &product, terms(&product)));
        self.effects.created.push(product.clone());
        self.touched.insert(self.products.len());
        self.know(product);
        RowVerdict::Creates(id)
    }

    fn change(&mut self, place: usize, offer: Offer) -> RowVerdict<ProductId> {
        self.touched.insert(place);
        let before = &self.products[place];
        let mut after = before.clone();
        offer.put_on(&mut after);
        if after == *before {
            return RowVerdict::LeavesAlone(after.id);
        }
        self.effects
            .events
            .push(event(EventType::ProductChanged, &after, terms(&after)));
        let id = after.id;
        // Its names may be asked for by a later row.
        self.by_code.insert(after.code.clone(), place);
        if let Some(id) = &after.external_id {
            self.by_external_id.insert(id.clone(), place);
        }
        self.effects.changed.push(after);
        RowVerdict::Changes(id)
    }
}

/// The product as it shall be, and what a new one lacks. What a row does not say stays; a new product is on sale and may be bought
/// on deferred payment.
fn offer(row: &ProductRow, before: Option<&Product>) -> (Offer, Vec<Fault>) {
    let mut missing = Vec::new();
    let mut lacks = |is_said: bool, column: ProductColumn| {
        if !is_said && before.is_none() {
            missing.push(Fault::new(
                column.pointer(),
                "required",
                text!("new-product-needs-it"),
            ));
        }
    };
    lacks(row.code.is_some(), ProductColumn::Code);
    lacks(row.name.is_some(), ProductColumn::Name);
    lacks(row.unit_price.is_some(), ProductColumn::UnitPrice);
    lacks(row.tax_rate.is_some(), ProductColumn::TaxRate);
    let text = |said: &Option<String>, present: fn(&Product) -> &String| {
        let said = said.clone();
        said.or_else(|| before.map(|product| present(product).clone()))
            .unwrap_or_default()
    };
    // One that is no rate of any kind is refused as such.
    let rate = row.tax_rate.map(|rate| i16::try_from(rate).unwrap_or(-1));
    let offer = Offer {
        code: text(&row.code, |product| &product.code),
        name: text(&row.name, |product| &product.name),
        unit_price: row
            .unit_price
            .map(Yen)
            .or(before.map(|product| product.unit_price))
            .unwrap_or(Yen::ZERO),
        tax_rate: rate
            .or(before.map(|product| product.tax_rate))
            .unwrap_or_default(),
        active: row
            .active
            .or(before.map(|product| product.active))
            .unwrap_or(true),
        paid_allowed: row
            .paid_allowed
            .or(before.map(|product| product.paid_allowed))
            .unwrap_or(true),
        attached: Attachment {
            external_id: row
                .external_id
                .clone()
                .or_else(|| before.and_then(|product| product.external_id.clone())),
            metadata: before
                .map(|product| product.metadata.clone())
                .map(|Json(metadata)| metadata)
                .unwrap_or_default(),
        },
    };
    (offer, missing)
}
