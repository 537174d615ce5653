//! What needs both the database and Paid, or must survive a crash. Called by requests and by the worker alike: one code
//! path for the first try and for every retry.
//!
//! A call that moves money, and every submission of an application, goes in three steps: write the intent and commit;
//! ask Paid; settle and commit. Nothing of the database is held while waiting for Paid.
//!
//! | module | what it is for |
//! |---|---|
//! | [`provider`] | a store's account at Paid; reads with a deadline; the record of every call |
//! | [`throttle`] | how fast a store's bulk reads may ask Paid |
//! | [`batches`] | asks Paid about many keys at once |
//! | [`durable`] | how a call to Paid survives anything: intent, lease, end |
//! | [`drive`] | one drive of an operation, from its lease to its settlement |
//! | [`dry_run`](mod@dry_run) | what an action would do |
//! | [`context`] | who acts, on which version, and with which right to do it once |
//! | [`checkout`] | what an order may be paid with, and what it costs |
//! | [`order`] | places, edits and cancels orders |
//! | [`payment`] | confirms, cancels and refreshes payments, and settles what was asked of them |
//! | `unknown_code` | flags answers that are not understood |
//! | [`member`] | creates, registers, changes and removes members |
//! | [`product`] | keeps the price list |
//! | [`user`] | opens a store with its owner, and adds to its staff |
//! | [`client`] | keeps partners' clients |
//! | [`client_token`] | makes tokens for them |
//! | [`issuer`], [`outside_tokens`] | keeps issuers of identities, and tells whom a token of theirs is of |
//! | [`paid_check`] | tries what is assumed of Paid |
//! | [`password`] | looks at a password given at a login |
//! | [`second_factor`] | sets up and asks for the second factors of the staff |
//! | [`failed_log_ins`] | how many of them the log is told of |
//! | [`session`] | opens, refreshes and ends sessions of members and staff |
//! | [`event_log`], [`horizon`] | read the log without missing a line |
//! | [`audit`] | seals the log, and tells whether it is still what was sealed |
//! | [`keys`] | replaces signing keys, and seals secrets anew |
//! | [`settings`] | changes a store's settings, and tests them |
//! | [`application`] | submits and refreshes Paid applications |
//! | [`job`] | bulk work, item by item |
//! | [`webhook`] | keeps webhooks, and tells them what happens |
//! | [`reconciliation`] | what needs a human, and what the human does |
//!
//! Locks are taken in one order: settings, order or member, payment, operation. Events are written last. What an action on a
//! sale decides on is not locked but read, and looked at again by the statement that writes: see [`crate::db::together`].

pub mod application;
pub mod audit;
pub mod batches;
pub mod checkout;
pub mod client;
pub mod client_token;
pub mod context;
pub mod drive;
pub mod dry_run;
pub mod durable;
pub mod event_log;
pub mod failed_log_ins;
pub mod horizon;
pub mod issuer;
pub mod job;
pub mod keys;
pub mod member;
pub mod order;
pub mod outside_tokens;
pub mod paid_check;
pub mod password;
pub mod payment;
pub mod product;
pub mod provider;
pub mod reconciliation;
pub mod second_factor;
pub mod session;
pub mod settings;
pub mod throttle;
pub mod unknown_code;
mod upsert;
pub mod user;
pub mod webhook;
