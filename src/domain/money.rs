//! Money: whole yen, with checked arithmetic.

use serde::de::{Deserialize, Deserializer, Error as _, Unexpected, Visitor};

/// An amount of whole Japanese yen. May be negative (a discount line).
///
/// Reads a JSON integer, also one written as `990.0`; a fraction is refused, never rounded.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    utoipa::ToSchema,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::BigInt)]
#[serde(transparent)]
pub struct Yen(pub i64);

/// The amount does not fit 64 bits. A request that causes it is answered with a 422.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amount is too large")]
pub struct Overflow;

impl Yen {
    /// No yen.
    pub const ZERO: Self = Self(0);

    /// The sum, unless it overflows.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(other.0).map(Self).ok_or(Overflow)
    }

    /// The amount taken `count` times, unless it overflows.
    pub fn times(self, count: i64) -> Result<Self, Overflow> {
        self.0.checked_mul(count).map(Self).ok_or(Overflow)
    }
}

/// A sum over many rows. Each amount fits 64 bits, their sum need not: one absurd order must not break a summary.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::Text)]
#[serde(transparent)]
pub struct YenSum(pub i128);

impl std::iter::Sum for YenSum {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        Self(sums.map(|sum| sum.0).sum())
    }
}

impl std::ops::AddAssign for YenSum {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl diesel::deserialize::FromSql<diesel::sql_types::Text, diesel::pg::Pg> for YenSum {
    /// PostgreSQL sums 64-bit numbers up as `numeric`, which is read as text.
    fn from_sql(bytes: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
        let text = <String as diesel::deserialize::FromSql<
            diesel::sql_types::Text,
            diesel::pg::Pg,
        >>::from_sql(bytes)?;
        Ok(Self(text.parse()?))
    }
}

impl utoipa::PartialSchema for YenSum {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        Yen::schema()
    }
}

impl utoipa::ToSchema for YenSum {}

impl From<Yen> for crate::texts::Argument {
    fn from(amount: Yen) -> Self {
        Self::Yen(amount.0)
    }
}

impl std::fmt::Display for Yen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} yen", self.0)
    }
}

impl diesel::serialize::ToSql<diesel::sql_types::BigInt, diesel::pg::Pg> for Yen {
    fn to_sql<'b>(
        &'b self,
        out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
    ) -> diesel::serialize::Result {
        <i64 as diesel::serialize::ToSql<diesel::sql_types::BigInt, diesel::pg::Pg>>::to_sql(
            &self.0, out,
        )
    }
}

impl diesel::deserialize::FromSql<diesel::sql_types::BigInt, diesel::pg::Pg> for Yen {
    fn from_sql(bytes: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
        diesel::deserialize::FromSql::<diesel::sql_types::BigInt, diesel::pg::Pg>::from_sql(bytes)
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for Yen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole_number(deserializer).map(Self)
    }
}

/// Reads a whole number. JSON Schema calls `990.0` an integer, so it is taken as 990; `990.5` is refused.
pub fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct WholeNumber;
    impl Visitor<'_> for WholeNumber {
        type Value = i64;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a whole number")
        }
        fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<i64, E> {
            Ok(value)
        }
        fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<i64, E> {
            i64::try_from(value).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
        }
        fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<i64, E> {
            // Above 2^53 a float no longer names one integer.
            if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
                Ok(value as i64)
            } else {
                Err(E::invalid_value(Unexpected::Float(value), &self))
            }
        }
    }
    deserializer
        .deserialize_any(WholeNumber)
        .map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_of_a_yen_is_refused_and_an_integral_float_is_not() {
        assert_eq!(serde_json::from_str::<Yen>("990.0").unwrap(), Yen(990));
        assert_eq!(serde_json::from_str::<Yen>("-1").unwrap(), Yen(-1));
        for bad in [
            "990.5",
            "\"990\"",
            "1e300",
            "18446744073709551615",
            "null",
            "true",
        ] {
            assert!(
                serde_json::from_str::<Yen>(bad).is_err(),
                "{bad} was taken for yen"
            );
        }
    }

    #[test]
    fn arithmetic_reports_an_overflow_instead_of_wrapping() {
        assert_eq!(Yen(i64::MAX).plus(Yen(1)), Err(Overflow));
        assert_eq!(Yen(i64::MAX / 2).times(3), Err(Overflow));
        assert_eq!(
            Yen(120).times(3).and_then(|sum| sum.plus(Yen(-60))),
            Ok(Yen(300))
        );
    }
}
