//! `kakeuri keys`: the keys that sign tokens, and what is encrypted.

use anyhow::bail;
use clap::Subcommand;
use kakeuri::app::App;
use kakeuri::workflows::keys;

/// What is done with keys.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// List the keys that sign and check tokens, the newest last
    List,
    /// Make a key that signs tokens in five minutes, when every process knows it
    Rotate {
        /// It signs at once, as after a leak
        #[arg(long)]
        now: bool,
    },
    /// Take a key away: what it has signed is useless within ten seconds
    Retire {
        /// Its name, as `keys list` shows it
        kid: String,
    },
    /// Encrypt with the newest key of KAKEURI_MASTER_KEY what older ones have encrypted
    Reseal,
}

/// Does it.
pub async fn run(app: &App, command: KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::List => {
            for key in keys::list(app).await? {
                let waits = key.signs_from.filter(|from| *from > app.clock.now());
                let state = match (key.signs, waits) {
                    (true, _) => "signs".to_owned(),
                    (false, Some(from)) => format!("signs from {}", from.to_rfc3339()),
                    (false, None) => "checks only".to_owned(),
                };
                println!("{}  made {}  {state}", key.kid, key.created_at.to_rfc3339());
            }
        }
        KeysCommand::Rotate { now } => println!("{}", keys::rotate(app, now).await?.kid),
        KeysCommand::Retire { kid } => keys::retire(app, &kid).await?,
        KeysCommand::Reseal => {
            let done = keys::reseal(app).await?;
            println!("{} encrypted anew", done.resealed);
            if done.unreadable > 0 {
                bail!(
                    "KAKEURI_MASTER_KEY: {} cannot be decrypted with any of its keys, and were left",
                    done.unreadable
                );
            }
        }
    }
    Ok(())
}
