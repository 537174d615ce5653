//! Products: the store's price list.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::json::Json;
use super::schema::products;
use crate::domain::{ExternalId, Metadata, ProductId, StoreId, Yen};

/// A product.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = products, treat_none_as_null = true)]
pub struct Product {
    pub store_id: StoreId,
    pub id: ProductId,
    /// What an order names it by; unique in the store.
    pub code: String,
    pub name: String,
    /// Yen without tax.
    pub unit_price: Yen,
    /// Percent: 10, 8 or 0.
    pub tax_rate: i16,
    pub active: bool,
    /// May be bought on deferred payment.
    pub paid_allowed: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub external_id: Option<ExternalId>,
    pub metadata: Json<Metadata>,
}

/// Creates a product.
pub async fn insert(product: &Product, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(products::table)
        .values(product)
        .execute(conn)
        .await
        .map(drop)
}

/// Creates many products, as many as a statement has room for.
pub async fn insert_many(products: &[Product], conn: &mut AsyncPgConnection) -> QueryResult<()> {
    for some in products.chunks(1000) {
        diesel::insert_into(products::table)
            .values(some)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// The products that any of these names belongs to. With `lock` they are locked until the transaction ends, in the order of
/// their ids.
pub async fn named(
    store: StoreId,
    codes: &[&str],
    external_ids: &[ExternalId],
    lock: bool,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<Product>> {
    let of_store = products::table.filter(products::store_id.eq(store));
    // Two index scans; with OR between them the planner may read the whole table.
    let ids = of_store
        .filter(products::code.eq_any(codes))
        .select(products::id)
        .union(
            of_store
                .filter(products::external_id.eq_any(external_ids))
                .select(products::id),
        );
    let ids: Vec<ProductId> = ids.load(conn).await?;
    let query = of_store
        .filter(products::id.eq_any(ids))
        .order(products::id.asc())
        .select(Product::as_select());
    if lock {
        query.for_update().load(conn).await
    } else {
        query.load(conn).await
    }
}

/// The product with this id.
pub async fn find(
    store: StoreId,
    id: ProductId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Product>> {
    products::table
        .find((store, id))
        .select(Product::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The product with this id, locked until the transaction ends.
pub async fn lock(
    store: StoreId,
    id: ProductId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Product>> {
    products::table
        .find((store, id))
        .select(Product::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// The id of the product that another system knows by this id.
pub async fn named_elsewhere(
    store: StoreId,
    external_id: &ExternalId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<ProductId>> {
    products::table
        .filter(products::store_id.eq(store))
        .filter(products::external_id.eq(external_id))
        .select(products::id)
        .first(&mut &*conn)
        .await
        .optional()
}

/// The products with these codes; unknown codes are left out.
pub async fn find_by_codes(
    store: StoreId,
    codes: &[&str],
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Product>> {
    products::table
        .filter(products::store_id.eq(store))
        .filter(products::code.eq_any(codes))
        .select(Product::as_select())
        .load(&mut &*conn)
        .await
}

/// Which products.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those on sale.
    pub active_only: bool,
    /// The one that another system knows by this id.
    pub external_id: Option<ExternalId>,
    /// Changed not before.
    pub updated_from: Option<DateTime<Utc>>,
}

fn filtered<'a>(store: StoreId, filter: &'a Filter) -> products::BoxedQuery<'a, Pg> {
    let mut query = products::table
        .filter(products::store_id.eq(store))
        .into_boxed();
    if filter.active_only {
        query = query.filter(products::active);
    }
    if let Some(id) = &filter.external_id {
        query = query.filter(products::external_id.eq(id));
    }
    if let Some(from) = filter.updated_from {
        query = query.filter(products::updated_at.ge(from));
    }
    query
}

/// Products, newest first.
pub async fn list(
    store: StoreId,
    filter: &Filter,
    before: Option<ProductId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Product>> {
    let mut query = filtered(store, filter)
        .order(products::id.desc())
        .limit(limit)
        .select(Product::as_select());
    if let Some(before) = before {
        query = query.filter(products::id.lt(before));
    }
    query.load(&mut &*conn).await
}

/// How many there are.
pub async fn count(store: StoreId, filter: &Filter, conn: &AsyncPgConnection) -> QueryResult<i64> {
    filtered(store, filter)
        .count()
        .get_result(&mut &*conn)
        .await
}

/// Writes a changed product.
pub async fn save(
    product: &mut Product,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    product.version += 1;
    product.updated_at = now;
    diesel::update(products::table.find((product.store_id, product.id)))
        .set(&*product)
        .execute(conn)
        .await
        .map(drop)
}

/// Writes many locked products of one store with what a row of a file changes.
pub async fn save_many(
    changed: &[Product],
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    use diesel::sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text, Timestamptz, Uuid};
    for some in changed.chunks(1000) {
        let columns = diesel::sql_query(
            "UPDATE products SET code = row.code, name = row.name, unit_price = row.unit_price, tax_rate = row.tax_rate, \
                 active = row.active, paid_allowed = row.paid_allowed, external_id = row.external_id, \
                 version = version + 1, updated_at = $2 \
             FROM unnest($3, $4, $5, $6, $7, $8, $9, $10) \
                 AS row (id, code, name, unit_price, tax_rate, active, paid_allowed, external_id) \
             WHERE products.store_id = $1 AND products.id = row.id",
        );
        columns
            .bind::<Uuid, _>(some[0].store_id)
            .bind::<Timestamptz, _>(now)
            .bind::<Array<Uuid>, _>(some.iter().map(|row| row.id).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(some.iter().map(|row| row.code.as_str()).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(some.iter().map(|row| row.name.as_str()).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(some.iter().map(|row| row.unit_price).collect::<Vec<_>>())
            .bind::<Array<SmallInt>, _>(some.iter().map(|row| row.tax_rate).collect::<Vec<_>>())
            .bind::<Array<Bool>, _>(some.iter().map(|row| row.active).collect::<Vec<_>>())
            .bind::<Array<Bool>, _>(some.iter().map(|row| row.paid_allowed).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(
                some.iter()
                    .map(|row| row.external_id.as_ref())
                    .collect::<Vec<_>>(),
            )
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Removes a product. Orders keep their own copy of what was bought.
pub async fn delete(
    store: StoreId,
    id: ProductId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let deleted = diesel::delete(products::table.find((store, id)))
        .execute(conn)
        .await?;
    Ok(deleted == 1)
}

/// The codes of products that may not be bought on deferred payment; the first 100.
pub async fn codes_excluded_from_paid(
    store: StoreId,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<String>> {
    products::table
        .filter(products::store_id.eq(store))
        .filter(products::paid_allowed.eq(false))
        .order(products::code.asc())
        .limit(100)
        .select(products::code)
        .load(&mut &*conn)
        .await
}
