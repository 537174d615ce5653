//! `kakeuri paid`: whether Paid is as it is assumed to be.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use kakeuri::db::member::Member;
use kakeuri::domain::PaidKey;
use kakeuri::workflows::paid_check::{self, Finding, Told, Verdict};
use serde_json::json;

use super::store::find_store;
use crate::boot::Booted;

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
pub async fn run(booted: &Booted, command: PaidCommand) -> anyhow::Result<ExitCode> {
    let PaidCommand::Check {
        store,
        with_money,
        member,
        json,
    } = command;
    let (app, store) = (&booted.app, find_store(booted, &store).await?.store_id);
    let buyer = match with_money {
        true => paid_check::buyer(app, store, member.as_deref()).await?,
        false => None,
    };
    if with_money && buyer.is_none() {
        bail!("--member: there is no such member, or none whom Paid has approved");
    }
    let mut printed = Printed::new(json);
    let tried = paid_check::check(app, store, buyer.as_ref(), &mut printed).await;
    if let Err(error) = tried {
        eprintln!("kakeuri: {error}");
        return Ok(ExitCode::from(COULD_NOT_BE_ASKED));
    }
    Ok(printed.ending())
}

/// Prints what it is told, and remembers the worst of it.
struct Printed {
    json: bool,
    differs: bool,
    unreachable: bool,
    asked: bool,
}

impl Printed {
    fn new(json: bool) -> Self {
        Self {
            json,
            differs: false,
            unreachable: false,
            asked: false,
        }
    }

    fn ending(&self) -> ExitCode {
        match self {
            Self {
                unreachable: true, ..
            } => ExitCode::from(COULD_NOT_BE_ASKED),
            Self { differs: true, .. } => ExitCode::from(1),
            _ => ExitCode::SUCCESS,
        }
    }
}

impl Told for Printed {
    fn found(&mut self, finding: Finding) {
        // The first question is whether there is anybody to ask.
        let is_first = !std::mem::replace(&mut self.asked, true);
        if finding.verdict == Verdict::Differs {
            self.unreachable |= is_first;
            self.differs = true;
        }
        if self.json {
            let Finding {
                assumption,
                verdict,
                said,
                setting,
            } = finding;
            let line = json!({ "assumption": assumption, "verdict": verdict, "said": said, "setting": setting });
            println!("{line}");
            return;
        }
        let verdict = match finding.verdict {
            Verdict::Holds => "holds     ",
            Verdict::Differs => "DIFFERS   ",
            Verdict::NotTried => "not tried ",
        };
        println!("{verdict} {}: {}", finding.assumption, finding.said);
        if let Some(setting) = finding.setting {
            println!("           set {setting}");
        }
    }

    fn sending(&mut self, key: &PaidKey, member: &Member) {
        let number = &member.number;
        if self.json {
            println!(
                "{}",
                json!({ "sending": { "sale": key, "member": number, "yen": 1 } })
            );
        } else {
            println!("           a sale of 1 yen to member {number} goes out under the key {key}");
        }
    }
}
