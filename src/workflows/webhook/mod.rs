//! Webhooks: addresses that are told what happens, each event at least once, and those about one subject in the order of
//! the log.
//!
//! | module | what it is for |
//! |---|---|
//! | [`manage`] | makes, changes and removes webhooks, and their secrets |
//! | [`queue`] | makes deliveries of what has happened |
//! | [`turn`] | delivers what is due to one webhook, under a lease |
//! | [`rights`] | what it may be told now |
//! | [`send`] | one attempt: what is sent, and how it is signed |
//! | [`settle`] | writes down what an attempt came to |
//! | [`again`] | delivers once more what is over; tries a webhook out |

pub mod again;
pub mod manage;
pub mod queue;
pub mod rights;
pub mod send;
pub mod settle;
pub mod turn;
