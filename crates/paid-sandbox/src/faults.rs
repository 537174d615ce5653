//! Faults on order: which calls of a merchant go wrong, and how. Knows no ledger.

use serde::{Deserialize, Serialize};

use paid_protocol::endpoint::Endpoint;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Refused with `code`; nothing is done.
    Refuse,
    /// HTTP status 500; nothing is done.
    #[serde(rename = "http_500")]
    Http500,
    /// Done, but the answer cannot be read.
    Malformed,
    /// Done, and answered after `delay_ms`.
    Delay,
    /// Done, but the answer says nothing of the items about `key`, or of any.
    LeaveOut,
    /// Done, but the connection is closed instead of an answer.
    DropAnswer,
    /// The connection is closed; nothing is done.
    DropConnection,
    /// A02; nothing is done.
    Auth,
}

/// Which calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Target {
    /// Of one operation.
    One(Endpoint),
    /// All.
    Any(Any),
}

/// The word `any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Any {
    /// The word.
    Any,
}

/// A fault as it is ordered and listed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which operation, or `any`.
    pub operation: Target,
    /// What goes wrong.
    pub kind: Kind,
    /// Only calls about this customer number or key of a sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The code of `refuse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How long an answer is held back; with any kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// How many calls are still to be hit; absent: until the fault is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// The share of the calls that is hit, from 0 to 1; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

impl Fault {
    /// Why such a fault cannot be ordered.
    pub fn mistake(&self) -> Option<&'static str> {
        if self.kind == Kind::Refuse && self.code.as_deref().is_none_or(str::is_empty) {
            return Some("a fault of kind refuse needs a code");
        }
        if self.kind == Kind::Delay && self.delay_ms.is_none() {
            return Some("a fault of kind delay needs delay_ms");
        }
        if self.delay_ms.is_some_and(|delay| delay > 600_000) {
            return Some("delay_ms may be at most 600000");
        }
        if self
            .share
            .is_some_and(|share| !(0.0..=1.0).contains(&share))
        {
            return Some("share must be from 0 to 1");
        }
        if self.times == Some(0) {
            return Some("times must be at least 1");
        }
        None
    }

    fn is_meant(&self, operation: Endpoint, keys: &[String]) -> bool {
        let operation = match self.operation {
            Target::One(one) => one == operation,
            Target::Any(_) => true,
        };
        operation && self.key.as_ref().is_none_or(|key| keys.contains(key))
    }
}

/// Takes the first fault that hits this call, and counts it. `luck` gives numbers from 0 to 1.
pub fn take(
    faults: &mut Vec<Fault>,
    operation: Endpoint,
    keys: &[String],
    mut luck: impl FnMut() -> f64,
) -> Option<Fault> {
    let hit = |fault: &Fault| {
        fault.is_meant(operation, keys) && fault.share.is_none_or(|share| luck() < share)
    };
    let index = faults.iter().position(hit)?;
    let fault = faults[index].clone();
    if let Some(times) = &mut faults[index].times {
        *times -= 1;
        if *times == 0 {
            faults.remove(index);
        }
    }
    Some(fault)
}
