//! Members (会員): created by an admin, registered by themselves, changed, approved, removed. One way for every caller:
//! the admin's form, the storefront, a CSV row.

mod change;
mod create;
pub mod import;
mod intake;
mod password;
mod remove;

pub use change::{Change, Shown, act, change, change_own};
pub use create::{NewMember, Registration, create, register, resume};
pub use intake::read as read_file;
pub use password::{ask_for_new_password, confirm_password, make_password_token, set_password};
pub use remove::remove;

use crate::db::event::{self, NewEvent, Subject};
use crate::db::member::Member;
use crate::domain::Faults;
use crate::domain::events::EventType;

/// A line of the log about a member.
async fn note(
    member: &Member,
    kind: EventType,
    actor: &str,
    data: serde_json::Value,
    conn: &mut diesel_async::AsyncPgConnection,
) -> diesel::QueryResult<()> {
    event::append(
        member.store_id,
        &[NewEvent::new(kind, Subject::Member(member.id), data)],
        actor,
        member.updated_at,
        conn,
    )
    .await
}

/// What is wrong with a member's number.
pub fn check_number(number: &str, faults: &mut Faults) {
    let good = (1..=50).contains(&number.chars().count())
        && !number.chars().any(|c| c.is_control() || c.is_whitespace());
    faults.check(
        good,
        "/number",
        "malformed",
        "A number has 1 to 50 characters without white space.",
    );
}
