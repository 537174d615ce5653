//! Sessions: opened by a login, refreshed, ended. The same for members and for staff.
//!
//! | module | what it is for |
//! |---|---|
//! | `token` | what a session gives its holder: access tokens and refresh tokens |
//! | `open` | opens and ends them |
//! | `refresh` | the next tokens of one |
//! | `step_up` | one of the staff shows again who he is |
//! | `command_line` | tokens of the command line, and making any token useless |

mod command_line;
mod open;
mod refresh;
mod step_up;
mod token;

pub use command_line::{developer_token, developer_token_of_member, revoke};
pub use open::{Origin, end, end_own, failed, note_failed, open, open_of_staff, open_verified};
pub use refresh::refresh;
pub use step_up::step_up;
pub(super) use token::token_ttl;
pub use token::{SessionOut, Who};
