//! A typed value in a `JSONB` column.

use std::marker::PhantomData;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Jsonb;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::texts;

/// Written and read with serde.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, AsExpression, FromSqlRow, Serialize, Deserialize,
)]
#[serde(transparent)]
#[diesel(sql_type = Jsonb)]
pub struct Json<T: std::fmt::Debug>(pub T);

impl<T: Serialize + std::fmt::Debug> ToSql<Jsonb, Pg> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        use std::io::Write;
        // The version byte of PostgreSQL's binary form of jsonb.
        out.write_all(&[1])?;
        texts::storing(|| serde_json::to_writer(out, &self.0))?;
        Ok(serialize::IsNull::No)
    }
}

impl<T: DeserializeOwned + std::fmt::Debug> FromSql<Jsonb, Pg> for Json<T> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            [1, json @ ..] => Ok(Self(serde_json::from_slice(json)?)),
            _ => Err("unknown version of jsonb".into()),
        }
    }
}

/// A value that is passed on as it is written there, without being made in between.
#[derive(Clone, Debug, FromSqlRow, Serialize)]
#[serde(transparent)]
pub struct Raw<T> {
    text: Box<RawValue>,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Raw<T> {
    /// The value, for once.
    pub fn read(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.text.get())
    }
}

impl<T> From<Box<RawValue>> for Raw<T> {
    fn from(text: Box<RawValue>) -> Self {
        let of = PhantomData;
        Self { text, of }
    }
}

impl<T: Serialize + std::fmt::Debug> From<Json<T>> for Raw<T> {
    fn from(value: Json<T>) -> Self {
        let text = serde_json::value::to_raw_value(&value).expect("what is stored as JSON is JSON");
        text.into()
    }
}

impl<T> FromSql<Jsonb, Pg> for Raw<T> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            [1, json @ ..] => Ok(serde_json::from_slice::<Box<RawValue>>(json)?.into()),
            _ => Err("unknown version of jsonb".into()),
        }
    }
}
