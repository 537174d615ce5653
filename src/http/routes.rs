//! The table of routes, made from the OpenAPI documents, and the pattern of a request's path. Decisions are made by
//! patterns, never by the path as it was sent: `%73essions` and `sessions` are the same address.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use actix_web::HttpRequest;
use actix_web::dev::ResourceDef;

use super::{openapi, service};

/// The operations of an address: each method, and whether it takes query parameters.
pub type Operations = BTreeMap<String, bool>;

struct Table {
    /// Addresses without a variable part.
    fixed: HashMap<String, Operations>,
    /// The others, with their patterns.
    variable: Vec<(ResourceDef, String, Operations)>,
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
            .map(|path| ((*path).to_owned(), [("GET".to_owned(), false)].into()));
        for (pattern, operations) in openapi::operations().into_iter().chain(service) {
            let operations: Operations = operations;
            if pattern.contains('{') {
                table
                    .variable
                    .push((ResourceDef::new(pattern.as_str()), pattern, operations));
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

/// The path without escapes, as the router sees it.
pub fn path_of(request: &HttpRequest) -> &str {
    request.match_info().as_str()
}

/// The pattern of a request's path, before the request is routed too.
pub fn pattern_of(request: &HttpRequest) -> Option<String> {
    request.resource_map().match_pattern(path_of(request))
}

/// What there is at this path; `None` where there is nothing.
pub fn operations_at(path: &str) -> Option<&'static Operations> {
    let variable = || {
        table()
            .variable
            .iter()
            .find(|(resource, ..)| resource.is_match(path))
    };
    operations_at_fixed(path).or_else(|| variable().map(|(.., operations)| operations))
}

/// The same where the path has no variable part.
pub fn operations_at_fixed(path: &str) -> Option<&'static Operations> {
    table().fixed.get(path)
}

/// Does this operation take query parameters?
pub fn takes_query(pattern: &str, method: &str) -> bool {
    let variable = || {
        table()
            .variable
            .iter()
            .find(|(_, other, _)| other == pattern)
            .map(|(.., operations)| operations)
    };
    let operations = table().fixed.get(pattern).or_else(variable);
    operations
        .and_then(|operations| operations.get(method))
        .copied()
        .unwrap_or(false)
}
