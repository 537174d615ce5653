//! The table of routes, made from the OpenAPI documents: what there is at an address, before a request is routed.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use actix_web::dev::ResourceDef;

use super::{openapi, service};

/// The operations of an address, by their methods.
pub type Operations = BTreeSet<String>;

struct Table {
    /// Addresses without a variable part.
    fixed: HashMap<String, Operations>,
    /// The others.
    variable: Vec<(ResourceDef, Operations)>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Table {
            fixed: HashMap::new(),
            variable: Vec::new(),
        };
        let service = service::PATHS
            .iter()
            .map(|path| ((*path).to_owned(), ["GET".to_owned()].into()));
        for (pattern, operations) in openapi::operations().chain(service) {
            let operations: Operations = operations;
            if pattern.contains('{') {
                table.variable.push((ResourceDef::new(pattern), operations));
            } else {
                table.fixed.entry(pattern).or_default().extend(operations);
            }
        }
        table
    })
}

/// Makes the table, so that no request waits for it.
pub fn prepare() {
    table();
}

/// What there is at this path; `None` where there is nothing.
pub fn operations_at(path: &str) -> Option<&'static Operations> {
    let variable = || {
        table()
            .variable
            .iter()
            .find(|(resource, _)| resource.is_match(path))
    };
    operations_at_fixed(path).or_else(|| variable().map(|(_, operations)| operations))
}

/// The same where the path has no variable part.
pub fn operations_at_fixed(path: &str) -> Option<&'static Operations> {
    table().fixed.get(path)
}
