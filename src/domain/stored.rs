//! Checked texts as columns.

/// Stores a struct around a `String` as `TEXT`. What comes out of the database was checked when it went in.
macro_rules! stored_as_text {
    ($name:ident) => {
        const _: () = {
            use diesel::deserialize::{self, FromSql};
            use diesel::pg::{Pg, PgValue};
            use diesel::serialize::{self, Output, ToSql};
            use diesel::sql_types::Text;

            impl ToSql<Text, Pg> for $name {
                fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                    <str as ToSql<Text, Pg>>::to_sql(&self.0, out)
                }
            }

            impl FromSql<Text, Pg> for $name {
                fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                    <String as FromSql<Text, Pg>>::from_sql(value).map(Self)
                }
            }
        };
    };
}
