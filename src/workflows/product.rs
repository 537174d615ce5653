//! The price list: what a product may be, and each change with its line in the log.

pub mod import;

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::context::Context;
use super::upsert;
use crate::app::App;
use crate::db::event::{NewEvent, Subject};
use crate::db::json::Json;
use crate::db::product::{self, Product};
use crate::domain::events::EventType;
use crate::domain::order::TAX_RATES;
use crate::domain::{Attachment, ExternalId, Faults, ProductId, StoreId, Yen};
use crate::error::{Code, Error, OrNotFound as _};

/// What the shop says of a product.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What an order names it by; unique in the store.
    pub code: String,
    /// What people call it.
    pub name: String,
    /// Without tax.
    pub unit_price: Yen,
    /// Percent.
    pub tax_rate: i16,
    /// On sale.
    pub active: bool,
    /// May be bought on deferred payment.
    pub paid_allowed: bool,
    /// What other systems attach.
    pub attached: Attachment,
}

impl Offer {
    /// Without spaces around its texts, if nothing is wrong with it.
    fn checked(self) -> Result<Self, Error> {
        let tidy = Self {
            code: self.code.trim().to_owned(),
            name: self.name.trim().to_owned(),
            ..self
        };
        let length = |text: &str| text.chars().count();
        let rules = [
            (
                (1..=50).contains(&length(&tidy.code)),
                "/code",
                text!("from-1-to-50-characters"),
            ),
            (
                (1..=200).contains(&length(&tidy.name)),
                "/name",
                text!("from-1-to-200-characters"),
            ),
            (
                tidy.unit_price >= Yen::ZERO,
                "/unit_price",
                text!("price-is-0-yen-or-more"),
            ),
            (
                TAX_RATES.contains(&tidy.tax_rate),
                "/tax_rate",
                text!("tax-rate-is-10"),
            ),
        ];
        let mut faults = Faults::new();
        for (holds, pointer, message) in rules {
            faults.check(holds, pointer, "out_of_range", message);
        }
        tidy.attached.metadata.check(&mut faults);
        faults.into_result()?;
        Ok(tidy)
    }

    fn into_new(self, store: StoreId, now: DateTime<Utc>) -> Product {
        Product {
            store_id: store,
            id: ProductId::new(),
            code: self.code,
            name: self.name,
            unit_price: self.unit_price,
            tax_rate: self.tax_rate,
            active: self.active,
            paid_allowed: self.paid_allowed,
            version: 1,
            created_at: now,
            updated_at: now,
            external_id: self.attached.external_id,
            metadata: Json(self.attached.metadata),
        }
    }

    fn put_on(self, product: &mut Product) {
        product.code = self.code;
        product.name = self.name;
        product.unit_price = self.unit_price;
        product.tax_rate = self.tax_rate;
        product.active = self.active;
        product.paid_allowed = self.paid_allowed;
        product.external_id = self.attached.external_id;
        product.metadata = Json(self.attached.metadata);
    }
}

/// The product that an earlier try of the same request has made.
pub async fn resume(app: &App, store: StoreId, made: Uuid) -> Result<Option<Product>, Error> {
    product::find(store, ProductId(made), &*app.db().await?)
        .await?
        .or_not_found()
        .map(Some)
}

/// Adds a product.
///
/// # Errors
/// 422, or 409 `number_taken`.
pub async fn create(app: &App, offer: Offer, context: &Context<'_>) -> Result<Product, Error> {
    let now = app.clock.now();
    let product = offer.checked()?.into_new(context.store, now);
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        product::insert(&product, conn).await.map_err(taken)?;
        context.ticket.record(product.id.0, conn).await?;
        let event = event(EventType::ProductCreated, &product, terms(&product));
        Ok::<_, Error>(context.log(&[event], now, conn).await?)
    })
    .await?;
    Ok(product)
}

/// Changes a product. Orders that were placed keep what they were placed with.
///
/// # Errors
/// 422, or 409 `number_taken`.
pub async fn change(
    app: &App,
    id: ProductId,
    context: &Context<'_>,
    edit: impl FnOnce(&Product) -> Result<Offer, Error> + Send,
) -> Result<Product, Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut product = product::lock(context.store, id, conn)
            .await?
            .or_not_found()?;
        context.check_version(product.version)?;
        let before = product.clone();
        edit(&product)?.checked()?.put_on(&mut product);
        if product == before {
            return Ok(product);
        }
        product::save(&mut product, app.clock.now(), conn)
            .await
            .map_err(taken)?;
        let event = event(EventType::ProductChanged, &product, terms(&product));
        context.log(&[event], product.updated_at, conn).await?;
        Ok(product)
    })
    .await
}

/// The product that another system knows by this id: made as `offer` where there is none, else changed by `edit`; and whether
/// there was none. See *What another system puts is there once* in docs/rules.md.
///
/// # Errors
/// 422, 409 `number_taken`, or `stale`.
pub async fn put(
    app: &App,
    external_id: &ExternalId,
    mut offer: Offer,
    context: &Context<'_>,
    edit: impl Fn(&Product) -> Result<Offer, Error> + Send + Sync,
) -> Result<(Product, bool), Error> {
    offer.attached.external_id = Some(external_id.clone());
    let (store, offer, edit) = (context.store, &offer, &edit);
    upsert::put(
        async || Ok(product::named_elsewhere(store, external_id, &*app.db().await?).await?),
        async || {
            context.check_absent()?;
            create(app, offer.clone(), context).await
        },
        async |id| change(app, id, context, edit).await,
    )
    .await
}

/// Removes a product. Orders keep their own copy of it.
pub async fn remove(app: &App, id: ProductId, context: &Context<'_>) -> Result<(), Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let product = product::lock(context.store, id, conn)
            .await?
            .or_not_found()?;
        context.check_version(product.version)?;
        product::delete(context.store, id, conn).await?;
        let event = event(
            EventType::ProductDeleted,
            &product,
            json!({ "code": product.code }),
        );
        Ok(context.log(&[event], app.clock.now(), conn).await?)
    })
    .await
}

fn terms(product: &Product) -> Value {
    json!({ "code": product.code, "unit_price": product.unit_price })
}

fn event(kind: EventType, product: &Product, data: Value) -> NewEvent {
    NewEvent::new(kind, Subject::Product(product.id), data)
}

fn taken(error: diesel::result::Error) -> Error {
    match crate::db::violated_key(&error) {
        Some("products_external_id") => {
            Code::ExternalIdTaken.because(text!("another-product-has-this-external-id"))
        }
        Some(_) => Code::NumberTaken.because(text!("another-product-has-this-code")),
        None => error.into(),
    }
}
