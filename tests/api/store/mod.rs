//! What a store sets, sells and looks at: a file per resource, as in `src/http/admin/`.

mod attachments;
mod audit;
mod client_keys;
mod clients;
mod demo;
mod events;
mod issuers;
mod product_files;
mod products;
pub mod reconciliation;
mod searches;
mod second_factor;
mod sessions;
mod settings;
mod summary;
mod tallies;
mod upkeep;
mod users;
mod webhook_deliveries;
mod webhooks;
