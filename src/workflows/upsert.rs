//! Putting what another system knows by an id of its own: there once, whoever puts it and however often.

use crate::db::together::{TRIES, never_stands};
use crate::error::{Code, Error};

/// Changes the thing that is found, or makes it where there is none; and says whether there was none. See *What another system
/// puts is there once* in docs/rules.md.
pub async fn put<I, T>(
    find: impl AsyncFn() -> Result<Option<I>, Error>,
    make: impl AsyncFn() -> Result<T, Error>,
    change: impl AsyncFn(I) -> Result<T, Error>,
) -> Result<(T, bool), Error> {
    let mut taken = None;
    for _ in 0..TRIES {
        match (find().await?, taken.take()) {
            (Some(id), _) => match change(id).await {
                // Removed since it was found.
                Err(error) if error.code() == Some(Code::NotFound) => {}
                changed => return changed.map(|changed| (changed, false)),
            },
            (None, None) => match make().await {
                // Perhaps somebody else has put the same meanwhile.
                Err(error) if error.code().is_some_and(Code::says_that_it_is_taken) => {
                    taken = Some(error);
                }
                made => return made.map(|made| (made, true)),
            },
            (None, Some(taken)) => return Err(taken),
        }
    }
    Err(taken.unwrap_or_else(never_stands))
}
