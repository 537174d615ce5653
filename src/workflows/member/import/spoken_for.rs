//! The members that the earlier portions of a file are about, by all names that they have or had.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::csv::Row;
use crate::db::member::Member;
use crate::domain::PaidKey;
use crate::domain::member::fold_email;

/// Names of members. Only hashes of them are kept, of 128 bits with keys drawn at random, as a file may have a million
/// rows.
#[derive(Debug, Default)]
pub struct SpokenFor {
    hashers: [RandomState; 2],
    names: HashSet<u128>,
}

#[derive(Hash)]
enum Name<'a> {
    Number(&'a str),
    Email(&'a str),
    Key(&'a PaidKey),
}

impl SpokenFor {
    /// Rows were about these members.
    pub fn add<'a>(&mut self, members: impl Iterator<Item = &'a Member>) {
        for name in members.flat_map(names) {
            self.names.insert(self.hash(&name));
        }
    }

    /// The rows that were about these members are to be judged again.
    pub fn remove<'a>(&mut self, members: impl Iterator<Item = &'a Member>) {
        for name in members.flat_map(names) {
            self.names.remove(&self.hash(&name));
        }
    }

    /// Does this row call a member by one of the names?
    pub fn includes(&self, row: &Row) -> bool {
        if self.names.is_empty() {
            return false;
        }
        let email = row.email.as_deref().map(fold_email);
        let names = [
            row.number.as_deref().map(Name::Number),
            email.as_deref().map(Name::Email),
            row.customer_number.as_ref().map(Name::Key),
        ];
        names
            .iter()
            .flatten()
            .any(|name| self.names.contains(&self.hash(name)))
    }

    fn hash(&self, name: &Name<'_>) -> u128 {
        let [high, low] = &self.hashers;
        (u128::from(high.hash_one(name)) << 64) | u128::from(low.hash_one(name))
    }
}

fn names(member: &Member) -> impl Iterator<Item = Name<'_>> {
    let names = [
        // A file that is only checked draws no numbers.
        Some(member.number.as_str())
            .filter(|number| !number.is_empty())
            .map(Name::Number),
        Some(Name::Email(&member.email_key)),
        member.customer_number.as_ref().map(Name::Key),
    ];
    names.into_iter().flatten()
}
