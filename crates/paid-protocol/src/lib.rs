//! Paid's protocol: requests and answers as they stand on the wire, codes, and the rules of its fields.
//!
//! Both sides of the wire speak with these types: the service, which asks, and the sandbox, which stands in for Paid.
//! So nothing here knows what a member, an order or a payment of a shop is, nor what follows from an answer.
//!
//! | module | what it is for |
//! |---|---|
//! | [`endpoint`] | the calls that Paid takes, and their paths |
//! | [`request`], [`answer`] | the bodies |
//! | [`codes`] | the codes of an answer |
//! | [`key`] | what a customer number or the key of a sale may look like |
//! | [`sale`] | the states of a sale |
//! | [`fields`] | the fields of an application and their rules, as one table |
//! | [`meaning`] | what a code means, in words |
//!
//! Reading is tolerant (`lenient`): Paid writes some values in more than one way.

pub mod answer;
pub mod codes;
pub mod endpoint;
pub mod fields;
pub mod key;
mod lenient;
pub mod meaning;
pub mod request;
pub mod sale;
