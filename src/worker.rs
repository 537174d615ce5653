//! The loop that drives on what is due.

use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Works until it is told to stop.
pub async fn run(app: App, stop: CancellationToken) {
    drop(app);
    stop.cancelled().await;
}
