//! Asks Paid about many keys: in batches, several at once as far as the store's throttle allows. For bulk refreshes
//! only; knows neither members nor payments.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use futures_util::future::join_all;

use super::provider::Calls;
use crate::app::App;
use crate::domain::{PaidKey, StoreId};
use crate::paid::{Read, ReadFailure};

/// What was learned of each key, or why nothing was.
pub type Answers<T> = HashMap<PaidKey, Result<T, ReadFailure>>;

/// Asks about each of `keys`. A batch that fails costs only its own keys their answer; but when Paid refuses the auth
/// code, what was not sent yet is not sent any more, and fails likewise.
pub async fn ask<'k, T, F>(
    app: &App,
    store: StoreId,
    keys: &'k [PaidKey],
    calls: &mut Calls,
    question: impl Fn(&'k [PaidKey]) -> F,
) -> Answers<T>
where
    F: Future<Output = Read<BTreeMap<PaidKey, T>>>,
{
    let (auth_failure, question) = (OnceLock::new(), &question);
    let batches = || keys.chunks(app.config.paid.batch.max(1));
    let asked = join_all(batches().map(|batch| {
        let auth_failure = &auth_failure;
        async move {
            let _pass = app.throttle.enter(store).await;
            if let Some(failure) = auth_failure.get() {
                return Read {
                    result: Err(ReadFailure::clone(failure)),
                    attempts: Vec::new(),
                };
            }
            let read = question(batch).await;
            if let Err(failure @ ReadFailure::AuthFailed(_)) = &read.result {
                auth_failure.get_or_init(|| failure.clone());
            }
            read
        }
    }))
    .await;
    let mut answers = Answers::with_capacity(keys.len());
    for (batch, read) in batches().zip(asked) {
        calls.note_read(&read.attempts);
        match read.result {
            Ok(found) => answers.extend(found.into_iter().map(|(key, answer)| (key, Ok(answer)))),
            Err(failure) => {
                answers.extend(batch.iter().map(|key| (key.clone(), Err(failure.clone()))))
            }
        }
    }
    answers
}
