//! Identifiers. Each table has its own type, so that a member's id cannot be handed to a query for orders.

/// By how much the clock that an id was drawn by may be ahead of the one that its row was written by. A process whose
/// clock is put back goes on with ids of the time it had, as ids only grow.
const CLOCKS_APART: chrono::TimeDelta = chrono::TimeDelta::days(2);

/// An identifier that no row written before a moment reaches.
pub fn beyond(moment: chrono::DateTime<chrono::Utc>) -> uuid::Uuid {
    let moment = moment + CLOCKS_APART;
    let millis = u128::try_from(moment.timestamp_millis()).unwrap_or(0);
    uuid::Uuid::from_u128(millis.min((1 << 48) - 1) << 80)
}

/// Declares an identifier: a UUIDv7, shown as its hyphenated string.
macro_rules! id {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize, utoipa::ToSchema,
            diesel::expression::AsExpression, diesel::deserialize::FromSqlRow,
        )]
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl $name {
            /// A new identifier; later ones sort after earlier ones.
            #[allow(clippy::new_without_default, reason = "two calls never give the same value")]
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl diesel::serialize::ToSql<diesel::sql_types::Uuid, diesel::pg::Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>) -> diesel::serialize::Result {
                <uuid::Uuid as diesel::serialize::ToSql<diesel::sql_types::Uuid, diesel::pg::Pg>>::to_sql(&self.0, out)
            }
        }

        impl diesel::deserialize::FromSql<diesel::sql_types::Uuid, diesel::pg::Pg> for $name {
            fn from_sql(bytes: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
                diesel::deserialize::FromSql::<diesel::sql_types::Uuid, diesel::pg::Pg>::from_sql(bytes).map(Self)
            }
        }
    )+};
}

id! {
    /// A store (加盟企業・店舗): one merchant.
    StoreId,
    /// A member (会員): a buyer company at one store.
    MemberId,
    /// A member of the store's staff.
    UserId,
    /// A product of a store's price list.
    ProductId,
    /// An order (受注).
    OrderId,
    /// A call to Paid that moves money or submits an application, written down before it is sent.
    OperationId,
    /// A bulk job.
    JobId,
    /// A line of the event log.
    EventId,
    /// A login that can be refreshed and ended.
    SessionId,
    /// A one-time token to set a password.
    PasswordTokenId,
    /// A partner's program.
    ClientId,
    /// A one-time link with which one of the staff sets a password.
    InvitationId,
    /// An address that is told what happens.
    WebhookId,
    /// A provider of identities whose tokens a store takes.
    IssuerId,
}
