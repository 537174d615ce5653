//! What `serve` prints when it is ready: where everything is, and for the demo store how to get in.

use std::net::SocketAddr;

use chrono::TimeDelta;
use kakeuri::app::App;
use kakeuri::demo::{Demo, SLUG};
use kakeuri::domain::permissions::Role;
use kakeuri::error::Error;
use kakeuri::workflows::session::{self, Who};

/// Prints the banner to standard output.
pub async fn print(app: &App, address: SocketAddr, demo: Option<Demo>) {
    println!("Kakeuri answers at   http://{address}");
    println!("  documentation      http://{address}/docs/");
    if app.config.examples_dir.is_some() {
        println!("  example admin      http://{address}/examples/admin/");
        println!("  example storefront http://{address}/examples/storefront/");
    }
    if let Some(url) = &app.config.paid_sandbox_url {
        println!("  Paid sandbox       {url}");
    }
    let Some(demo) = demo else { return };
    match lines(app, &demo).await {
        Ok(lines) => lines.iter().for_each(|line| println!("{line}")),
        Err(error) => tracing::warn!(%error, "the demo store cannot be shown"),
    }
}

async fn lines(app: &App, demo: &Demo) -> Result<Vec<String>, Error> {
    let owner = session::open(app, demo.store, Who::User(demo.owner, Role::Owner)).await?;
    let buyer = session::open(app, demo.store, Who::Member(demo.buyer)).await?;
    let minutes = TimeDelta::from_std(app.config.token_ttl)
        .unwrap_or(TimeDelta::zero())
        .num_minutes();
    let mut lines = vec![
        String::new(),
        format!("Demo store           {SLUG}"),
        format!("  publishable key    {}", demo.publishable_key),
        format!("  staff              {}", demo.staff.join(", ")),
        format!("  member             {}", demo.buyer_email),
    ];
    if let Some(password) = &demo.password {
        lines.push(format!("  password of all    {password}"));
    }
    if let (Some(code), Some(url)) = (&demo.sandbox_auth_code, &app.config.paid_sandbox_url) {
        lines.push(format!("  in the sandbox     {url}_sandbox/{code}/sales"));
    }
    lines.push(format!(
        "Tokens, good for {minutes} minutes (later: kakeuri token admin --store {SLUG})"
    ));
    lines.push(format!("  owner   {}", owner.access_token));
    lines.push(format!("  member  {}", buyer.access_token));
    Ok(lines)
}
