//! Statements that the server gave up, told by the texts with which it says so.

/// The texts with which PostgreSQL says that a lock was not got in time, or not at all. Diesel does not pass the code on,
/// and the text is in the language of the server's `lc_messages`: English, or Japanese.
const NO_LOCK: [&str; 4] = [
    "canceling statement due to lock timeout",
    "deadlock detected",
    "ロックのタイムアウトのためステートメントをキャンセルしています",
    "デッドロックを検出しました",
];

/// The texts with which PostgreSQL says that a statement took too long.
const TOO_LONG: [&str; 2] = [
    "canceling statement due to statement timeout",
    "ステートメントのタイムアウトのためステートメントをキャンセルしています",
];

/// Why the server gave a statement up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// Others held what it needed.
    NoLock,
    /// It took too long.
    TooLong,
}

/// Has the server given a statement up, and why?
pub fn given_up(error: &diesel::result::Error) -> Option<GivenUp> {
    use diesel::result::DatabaseErrorKind::Unknown;
    let diesel::result::Error::DatabaseError(Unknown, info) = error else {
        return None;
    };
    if NO_LOCK.contains(&info.message()) {
        Some(GivenUp::NoLock)
    } else if TOO_LONG.contains(&info.message()) {
        Some(GivenUp::TooLong)
    } else {
        None
    }
}
