//! The house rules: who may know whom, and that nothing is hidden from the compiler's eyes.

use std::fs;
use std::path::{Path, PathBuf};

/// Folder or file, and what it must not mention: (where, forbidden, but for).
const FORBIDDEN: [(&str, &[&str]); 10] = [
    (
        "domain",
        &[
            "crate::db",
            "crate::paid",
            "crate::workflows",
            "crate::http",
            "crate::app",
            "crate::clock",
            "diesel_async",
            "actix_web",
            "tokio",
            "reqwest",
        ],
    ),
    (
        "member_csv",
        &[
            "crate::db",
            "crate::paid",
            "crate::workflows",
            "crate::http",
            "crate::app",
            "crate::clock",
            "diesel",
            "actix_web",
            "tokio",
            "reqwest",
        ],
    ),
    ("db", &["crate::paid::", "crate::workflows", "crate::http", "crate::app", "actix_web", "reqwest"]),
    ("paid", &["crate::db", "crate::workflows", "crate::http", "crate::app", "crate::sandbox", "actix_web", "diesel"]),
    ("workflows", &["crate::http", "crate::sandbox", "actix_web", "reqwest"]),
    (
        "workflows/durable",
        &["workflows::payment", "workflows::application", "workflows::order", "workflows::drive", "super::super"],
    ),
    ("sandbox", &["crate::db", "crate::workflows", "crate::http", "crate::app", "crate::error", "diesel"]),
    ("devdb", &["crate::db", "crate::workflows", "crate::http", "crate::app", "crate::config", "actix_web", "tokio::"]),
    ("worker.rs", &["crate::http", "actix_web"]),
    ("http", &["crate::sandbox", "reqwest"]),
];

fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| sources(&entry.unwrap().path(), found));
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        found.push(path.to_owned());
    }
}

fn under(place: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(place), &mut found);
    found
}

/// The code without comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn dependencies_point_one_way() {
    let mut wrong = Vec::new();
    for (place, forbidden) in FORBIDDEN {
        for path in under(&format!("src/{place}")).into_iter().filter(|path| !path.to_string_lossy().contains("/tests"))
        {
            let code = code(&path);
            wrong.extend(
                forbidden.iter().filter(|name| code.contains(**name)).map(|name| format!("{}: {name}", path.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let own_tests = |path: &PathBuf| {
        path.starts_with(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
            && path.to_string_lossy().contains("/tests/")
    };
    for path in under("src").into_iter().chain(under("tests")).filter(|path| !own_tests(path)) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//!") || path.ends_with("db/schema.rs"),
            "{} does not open with what it is for",
            path.display()
        );
    }
}

/// POST handlers that need not ask what an earlier try made: they make nothing, or nothing that a second one would harm.
const NOTHING_TO_RESUME: [&str; 6] = [
    "quote_order",            // only looks
    "test_paid_settings",     // only looks
    "request_password_reset", // says the same whoever asks
    "create_password_token",  // a new token makes the older one useless, and only its hash is there to be shown again
    "create_session",         // sessions take no key
    "refresh_session",
];

#[test]
fn whatever_acts_asks_first_what_an_earlier_try_has_made() {
    let mut wrong = Vec::new();
    for path in under("src/http/admin").into_iter().chain(under("src/http/storefront")) {
        for handler in code(&path).split("#[post(").skip(1) {
            let signature = handler.split(") -> ").next().unwrap_or_default();
            let name = signature.split("async fn ").nth(1).and_then(|rest| rest.split('(').next()).unwrap_or_default();
            let asks =
                signature.contains("Once<") || signature.contains("Once,") || signature.contains("OnceUnderKey<");
            if !asks && !NOTHING_TO_RESUME.contains(&name) {
                wrong.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these POST handlers take no Once:\n{}", wrong.join("\n"));
}

/// utoipa drops what is said beside a reference to another schema.
#[test]
fn no_limit_is_said_where_it_would_be_lost() {
    const LIMITS: [&str; 6] = ["minimum", "maximum", "min_length", "max_length", "pattern", "multiple_of"];
    const PLAIN: [&str; 8] = ["String", "Vec<", "i16", "i32", "i64", "u32", "u64", "usize"];
    let mut lost = Vec::new();
    for file in under("src") {
        let text = fs::read_to_string(&file).unwrap();
        for part in text.split("#[schema(").skip(1) {
            let Some((attribute, after)) = part.split_once(")]") else { continue };
            let field = after.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['/', '#']));
            let Some((_, kind)) = field.and_then(|field| field.split_once(": ")) else { continue };
            let kind = kind.trim_start_matches("Option<");
            let plain = PLAIN.iter().any(|plain| kind.starts_with(plain)) || attribute.contains("value_type");
            if !plain && LIMITS.iter().any(|limit| attribute.contains(limit)) {
                lost.push(format!("{}: {}", file.display(), field.unwrap_or_default()));
            }
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}
