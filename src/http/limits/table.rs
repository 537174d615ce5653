//! Many counters in a fixed amount of memory.
//!
//! A counter's place follows from its name's keyed hash: one of the few cells of one set. A counter at rest is as good
//! as none, so time alone sweeps the table. Where a set has no cell at rest, the counter that has counted least makes
//! room. Whoever wants to get rid of a count has to fill its set with counters that have counted more: for that he
//! needs hundreds of thousands of names, and with each of them more tries than he wishes forgotten, as the key of the
//! hash is drawn at the start and nobody knows which names share a set.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

/// What is counted under one name, in one word.
pub trait Count: Copy + From<u64> + Into<u64> {
    /// How much has been counted at the time `now`, in microseconds since 1970; 0: as good as never used.
    fn weight(self, now: u64) -> u64;
}

/// The counters of one kind.
pub struct Table<C> {
    key: RandomState,
    shards: Vec<Mutex<Vec<Cell>>>,
    count: PhantomData<fn() -> C>,
}

/// The hash of a name and what is counted under it; all zero where there was never one.
type Cell = [u64; 2];

const SHARDS: usize = 64;
/// The cells of a set.
const WAYS: usize = 8;
const SETS: usize = 128;

/// How many counters a table holds. It takes 16 bytes for each, and no more.
pub const CELLS: usize = SHARDS * SETS * WAYS;

impl<C> Default for Table<C> {
    fn default() -> Self {
        let shard = |_| Mutex::new(vec![Cell::default(); SETS * WAYS]);
        Self {
            key: RandomState::new(),
            shards: (0..SHARDS).map(shard).collect(),
            count: PhantomData,
        }
    }
}

impl<C: Count> Table<C> {
    /// Looks at, and may change, what is counted under `name`.
    pub fn with<R>(&self, name: impl Hash, now: u64, change: impl FnOnce(&mut C) -> R) -> R {
        let hash = self.key.hash_one(name).max(1);
        let place = usize::try_from(hash % (SHARDS * SETS) as u64).unwrap_or_default();
        let (shard, set) = (place % SHARDS, place / SHARDS);
        let mut cells = self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let cell = cell_of(&mut cells[set * WAYS..(set + 1) * WAYS], hash, |count| {
            C::from(count).weight(now)
        });
        let mut count = C::from(cell[1]);
        let result = change(&mut count);
        cell[1] = count.into();
        result
    }
}

/// The cell of this name; otherwise the one that has counted least, emptied.
fn cell_of(set: &mut [Cell], hash: u64, weight: impl Fn(u64) -> u64) -> &mut Cell {
    let known = set.iter().position(|[name, _]| *name == hash);
    let lightest = || {
        set.iter()
            .enumerate()
            .min_by_key(|(_, cell)| weight(cell[1]))
            .map_or(0, |(index, _)| index)
    };
    let index = known.unwrap_or_else(lightest);
    if known.is_none() {
        set[index] = [hash, 0];
    }
    &mut set[index]
}
