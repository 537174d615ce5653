//! How many connections the server still has for a process.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// The least of what the server, the role and the database leave beside all connections but the one that asks.
const FREE: &str = "
SELECT least(
    current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint - count(*),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)
        - count(*) FILTER (WHERE usename = current_user),
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
        - count(*) FILTER (WHERE datname = current_database())
) AS free
FROM pg_stat_activity WHERE datid IS NOT NULL AND pid <> pg_backend_pid()";

#[derive(QueryableByName)]
struct Free {
    #[diesel(sql_type = BigInt)]
    free: i64,
}

/// How many connections this role can have to this database now, the one that asks among them.
pub async fn free(conn: &AsyncPgConnection) -> QueryResult<i64> {
    let Free { free } = diesel::sql_query(FREE).get_result(&mut &*conn).await?;
    Ok(free)
}
