//! `kakeuri audit`: whether the event log is what it was.

use anyhow::{anyhow, bail};
use clap::Subcommand;
use data_encoding::HEXLOWER_PERMISSIVE;
use kakeuri::workflows::audit::{self, Break};

use super::store::find_store;
use crate::boot::Booted;

/// What is done with the log.
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Compare a store's log with its seals; name the first line that does not fit
    Verify {
        /// The store's slug or id
        #[arg(long)]
        store: String,
        /// A seal that an earlier look has printed, and that must be among them still
        #[arg(long)]
        seal: Option<String>,
    },
}

/// Does it.
pub async fn run(booted: &Booted, command: AuditCommand) -> anyhow::Result<()> {
    let AuditCommand::Verify { store, seal } = command;
    verify(booted, &store, seal.as_deref()).await
}

async fn verify(booted: &Booted, store: &str, seal: Option<&str>) -> anyhow::Result<()> {
    let store = find_store(booted, store).await?.store_id;
    let kept = seal.map(|seal| HEXLOWER_PERMISSIVE.decode(seal.trim().as_bytes()));
    let kept = kept
        .transpose()
        .map_err(|_| anyhow!("--seal: this is none"))?;
    let found = audit::verify(&booted.app, store, kept.as_deref()).await?;
    if let Some(Break { seq, what }) = found.broken {
        bail!("broken at e{seq}: {what}");
    }
    println!(
        "intact       {} lines are as they were sealed",
        found.sealed
    );
    if found.late > 0 {
        println!(
            "late         {} seals were made more than an hour after their last line",
            found.late
        );
    }
    println!("not sealed   {} lines that came since", found.not_sealed);
    if let Some(until) = found.dropped_until {
        println!(
            "dropped      until {}, as they were old enough",
            until.to_rfc3339()
        );
    }
    if let Some(seal) = found.seal {
        println!("seal         {}", HEXLOWER_PERMISSIVE.encode(&seal));
    }
    Ok(())
}
