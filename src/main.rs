//! The commands. What each needs is put together in `boot`; what `serve` keeps running is in `serve`.

mod banner;
mod boot;
mod cli;
mod serve;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()).await {
        Ok(ended) => ended,
        Err(error) => {
            // One line, with every cause.
            eprintln!(
                "kakeuri: {}",
                format!("{error:#}")
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            );
            ExitCode::FAILURE
        }
    }
}
