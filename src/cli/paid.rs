//! `kakeuri paid`: whether Paid is as it is assumed to be.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use kakeuri::db::member::Member;
use kakeuri::domain::PaidKey;
use kakeuri::workflows::paid_check::{self, Finding, Told, Verdict};
use serde_json::json;

use super::store::find_store;
use crate::boot::Booted;
use crate::serve;

/// What is asked of Paid.
#[derive(Subcommand)]
pub enum PaidCommand {
    /// Try what is assumed of Paid at the account that a store is set to; ends with 0 where all of it holds, with 1 where
    /// something differs, and with 2 where Paid could not be asked
    Check {
        /// The store's slug or id
        #[arg(long)]
        store: String,
        /// Also make one sale of a yen, and cancel it
        #[arg(long)]
        with_money: bool,
        /// Who buys for the yen, by number or e-mail address; any approved member where absent
        #[arg(long, requires = "with_money")]
        member: Option<String>,
        /// Print JSON lines
        #[arg(long)]
        json: bool,
    },
}

/// How the process ends where Paid could not be asked.
const COULD_NOT_BE_ASKED: u8 = 2;

/// Does it, and tells how the process ends.
pub async fn run(booted: anyhow::Result<Booted>, command: PaidCommand) -> ExitCode {
    let checked = async move { check(booted?, command).await };
    // A signal does not come between a sale and its cancellation: it is heard, and the check goes on to its end.
    let checked = tokio::spawn(checked);
    let heard = tokio::spawn(serve::stop_signal());
    let ended = checked.await;
    heard.abort();
    match ended.map_err(anyhow::Error::from).flatten() {
        Ok(printed) => printed.ending(),
        Err(error) => {
            eprintln!("kakeuri: {error:#}");
            ExitCode::from(COULD_NOT_BE_ASKED)
        }
    }
}

async fn check(booted: Booted, command: PaidCommand) -> anyhow::Result<Printed> {
    let PaidCommand::Check {
        store,
        with_money,
        member,
        json,
    } = command;
    let (app, store) = (&booted.app, find_store(&booted, &store).await?.store_id);
    let buyer = match with_money {
        true => paid_check::buyer(app, store, member.as_deref()).await?,
        false => None,
    };
    if with_money && buyer.is_none() {
        bail!("--member: name a member whom Paid has approved, by number or e-mail address");
    }
    let mut printed = Printed {
        json,
        differs: false,
        unanswered: false,
    };
    paid_check::check(app, store, buyer.as_ref(), &mut printed).await?;
    Ok(printed)
}

/// Prints what it is told, and remembers the worst of it.
struct Printed {
    json: bool,
    differs: bool,
    unanswered: bool,
}

impl Printed {
    fn ending(&self) -> ExitCode {
        match self {
            Self { differs: true, .. } => ExitCode::from(1),
            Self {
                unanswered: true, ..
            } => ExitCode::from(COULD_NOT_BE_ASKED),
            _ => ExitCode::SUCCESS,
        }
    }
}

/// Whoever does not read on any more must not keep a sale from being cancelled.
fn print(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

impl Told for Printed {
    fn found(&mut self, finding: Finding) {
        let Finding {
            assumption,
            verdict,
            said,
            setting,
        } = finding;
        self.differs |= verdict == Verdict::Differs;
        self.unanswered |= verdict == Verdict::Unanswered;
        if self.json {
            let line = json!({ "assumption": assumption, "verdict": verdict, "said": said, "setting": setting });
            return print(&line.to_string());
        }
        let word = match verdict {
            Verdict::Holds => "holds",
            Verdict::Differs => "DIFFERS",
            Verdict::NotTried => "not tried",
            Verdict::Unanswered => "no answer",
        };
        print(&format!("{word:10} {assumption}: {said}"));
        if let Some(setting) = setting {
            print(&format!("           set {setting}"));
        }
    }

    fn sending(&mut self, key: &PaidKey, member: &Member) {
        let number = &member.number;
        print(&match self.json {
            true => json!({ "sending": { "sale": key, "member": number, "yen": 1 } }).to_string(),
            false => format!(
                "           a sale of 1 yen to member {number} goes out under the key {key}"
            ),
        });
    }
}
