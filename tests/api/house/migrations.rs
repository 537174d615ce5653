//! The schema: reversible, store first, and as `src/db/schema.rs` says.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use diesel::QueryableByName;
use diesel::sql_types::{Array, Bool, Nullable, Text};
use diesel_async::{
    AsyncConnection as _, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl as _,
};
use diesel_migrations::MigrationHarness as _;
use kakeuri::db;

use crate::support::Database;

/// Tables whose keys do not begin with the store, and why.
const WITHOUT_STORE: [(&str, &str); 5] = [
    (
        "stores",
        "the directory of stores: asked before a store is known",
    ),
    ("signing_keys", "the keys of the service"),
    ("service_keys", "the same"),
    (
        "issuer_names",
        "the directory of issuers: asked before a store is known",
    ),
    ("__diesel_schema_migrations", "the migrations' own"),
];

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    first: String,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    key: Option<Vec<String>>,
}

async fn connect(database: &Database) -> AsyncPgConnection {
    AsyncPgConnection::establish(&database.url).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_migrations_go_up_and_down_and_up_again() {
    let database = Database::empty();
    let mut harness = AsyncMigrationHarness::new(connect(&database).await);
    let up = harness
        .run_pending_migrations(db::MIGRATIONS)
        .unwrap()
        .len();
    let down = harness.revert_all_migrations(db::MIGRATIONS).unwrap().len();
    assert_eq!(up, down);
    let mut conn = connect(&database).await;
    let left: Vec<Row> = diesel::sql_query(
        "SELECT c.relname::text AS \"table\", c.relname::text AS name, '' AS first FROM pg_class c \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE '\\_\\_diesel%' \
         UNION ALL SELECT proname::text, proname::text, '' FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    )
    .load(&mut conn)
    .await
    .unwrap();
    let left: Vec<_> = left
        .into_iter()
        .map(|row| row.name)
        .filter(|name| !name.starts_with("diesel_"))
        .collect();
    assert!(left.is_empty(), "left over after going down: {left:?}");
    assert_eq!(
        harness
            .run_pending_migrations(db::MIGRATIONS)
            .unwrap()
            .len(),
        up
    );
}

#[actix_web::test]
async fn every_key_begins_with_the_store() {
    let database = Database::create();
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT i.indrelid::regclass::text AS \"table\", i.indexrelid::regclass::text AS name, a.attname::text AS first \
         FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
         JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique \
         UNION ALL \
         SELECT f.conrelid::regclass::text, f.conname::text, a.attname::text FROM pg_constraint f \
         JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1] \
         WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace",
    )
    .load(&mut connect(&database).await)
    .await
    .unwrap();
    assert!(rows.len() > 20);
    let excused = |table: &str| WITHOUT_STORE.iter().any(|(name, _)| *name == table);
    for row in rows.iter().filter(|row| !excused(&row.table)) {
        assert_eq!(
            row.first, "store_id",
            "{} of {} does not begin with store_id",
            row.name, row.table
        );
    }
}

const COLUMNS: &str = "
    SELECT c.relname::text AS \"table\", a.attname::text AS name, t.typname::text AS kind, NOT a.attnotnull AS nullable,
           (SELECT array_agg(k.attname::text ORDER BY position) FROM pg_index i
            CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS part (number, position)
            JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = part.number
            WHERE i.indrelid = c.oid AND i.indisprimary) AS key
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
      AND c.relname NOT LIKE '\\_\\_diesel%'
    ORDER BY c.relname, a.attnum";

#[actix_web::test]
async fn the_schema_in_the_code_is_the_schema_of_the_database() {
    let database = Database::create();
    let columns: Vec<Column> = diesel::sql_query(COLUMNS)
        .load(&mut connect(&database).await)
        .await
        .unwrap();
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for column in columns {
        tables.entry(column.table.clone()).or_default().push(column);
    }
    let mut text = String::from(
        "// Generated from the migrations; a test compares it with the database. Regenerate: see docs/ARCHITECTURE.md.\n",
    );
    for (table, columns) in &tables {
        text.push_str(&table_text(table, columns));
    }
    text.push_str("\ndiesel::allow_tables_to_appear_in_same_query!(\n");
    tables
        .keys()
        .for_each(|table| text.push_str(&format!("    {table},\n")));
    text.push_str(");\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/db/schema.rs");
    if std::env::var_os("KAKEURI_UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == text,
        "run this test with KAKEURI_UPDATE=1 and commit src/db/schema.rs"
    );
}

fn table_text(table: &str, columns: &[Column]) -> String {
    let key = columns[0].key.clone().unwrap_or_default().join(", ");
    let mut text = format!("\ndiesel::table! {{\n    {table} ({key}) {{\n");
    for column in columns {
        let name = match column.name.as_str() {
            "type" => {
                text.push_str("        #[sql_name = \"type\"]\n");
                "type_"
            }
            name => name,
        };
        let kind = match column.kind.strip_prefix('_') {
            Some(item) => format!("Array<{}>", kind(item)),
            None => kind(&column.kind).to_owned(),
        };
        let kind = if column.nullable {
            format!("Nullable<{kind}>")
        } else {
            kind
        };
        text.push_str(&format!("        {name} -> {kind},\n"));
    }
    text.push_str("    }\n}\n");
    text
}

fn kind(name: &str) -> &str {
    match name {
        "uuid" => "Uuid",
        "text" => "Text",
        "int2" => "Int2",
        "int4" => "Int4",
        "int8" => "Int8",
        "bool" => "Bool",
        "bytea" => "Bytea",
        "jsonb" => "Jsonb",
        "date" => "Date",
        "numeric" => "Numeric",
        "timestamptz" => "Timestamptz",
        other => panic!("say which diesel type {other} is"),
    }
}
