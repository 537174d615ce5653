//! How a sandbox is started.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::differences::Differences;

/// How a sandbox is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where it listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where its ledger is kept; without a file it is forgotten at the end.
    pub state: Option<PathBuf>,
    /// The most items in one request; more are answered with A04.
    pub max_items: usize,
    /// What it does otherwise than is assumed of Paid.
    pub differences: Differences,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            state: None,
            max_items: 100,
            differences: Differences::default(),
        }
    }
}
