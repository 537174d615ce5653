//! Kakeuri (掛売り): selling on deferred payment through Paid, as a JSON REST API.

#![warn(missing_docs)]

pub mod devdb;
pub mod domain;
pub mod paid;
pub mod sandbox;
