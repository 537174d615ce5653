//! What a webhook may be told now: a client's is told no more than the client may read by now.

use crate::app::App;
use crate::db::webhook::{self, Webhook};
use crate::domain::permissions::Scope;
use crate::error::Error;

/// The scopes that show something there. `None`: nothing is told there as long as its client may have no webhooks.
pub async fn present(app: &App, webhook: &Webhook) -> Result<Option<Vec<Scope>>, Error> {
    let mut scopes = webhook.scopes.clone();
    let Some(client) = webhook.client_id else {
        return Ok(Some(scopes));
    };
    let conn = app.db().await?;
    let held = webhook::scopes_of_client(webhook.store_id, client, &conn).await?;
    let held = held.filter(|held| held.contains(&Scope::WebhooksWrite));
    Ok(held.map(|held| {
        scopes.retain(|scope| held.contains(scope));
        scopes
    }))
}
