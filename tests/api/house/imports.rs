//! The house rules: who may know whom, and that nothing is hidden from the compiler's eyes.

use std::fs;
use std::path::{Path, PathBuf};

/// Folder or file, and what it must not mention. What a crate must not know is also missing among its dependencies.
const FORBIDDEN: [(&str, &[&str]); 13] = [
    (
        "src/domain",
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
        "src/csv",
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
    (
        "src/db",
        &[
            "crate::paid::",
            "paid_protocol",
            "crate::workflows",
            "crate::http",
            "crate::app",
            "actix_web",
            "reqwest",
        ],
    ),
    (
        "src/paid",
        &[
            "crate::db",
            "crate::workflows",
            "crate::http",
            "crate::app",
            "paid_sandbox",
            "actix_web",
            "diesel",
        ],
    ),
    (
        "src/workflows",
        &["crate::http", "paid_sandbox", "actix_web", "reqwest"],
    ),
    (
        "src/workflows/durable",
        &[
            "workflows::payment",
            "workflows::application",
            "workflows::order",
            "workflows::drive",
            "super::super",
        ],
    ),
    (
        "crates/paid-protocol/src",
        &["kakeuri", "actix_web", "diesel", "tokio", "reqwest"],
    ),
    ("crates/paid-sandbox/src", &["kakeuri::", "diesel"]),
    (
        "crates/devdb/src",
        &["kakeuri::", "diesel", "actix_web", "tokio::"],
    ),
    ("src/worker.rs", &["crate::http", "actix_web"]),
    ("src/http", &["paid_sandbox", "reqwest"]),
    ("src/http/storefront", &["http::admin", "super::super"]),
    ("src/http/admin", &["http::storefront", "super::super"]),
];

fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        fs::read_dir(path)
            .unwrap()
            .for_each(|entry| sources(&entry.unwrap().path(), found));
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        found.push(path.to_owned());
    }
}

pub fn under(place: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(place),
        &mut found,
    );
    found
}

/// Every source file of the workspace.
fn everywhere() -> Vec<PathBuf> {
    ["src", "crates", "tests"]
        .iter()
        .flat_map(|place| under(place))
        .collect()
}

/// Does the file hold the tests of a module?
pub fn is_test(path: &Path) -> bool {
    let path = path.to_string_lossy();
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The code without comments and without its tests.
pub fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn dependencies_point_one_way() {
    let mut wrong = Vec::new();
    for (place, forbidden) in FORBIDDEN {
        let files = under(place);
        assert!(!files.is_empty(), "{place} is not there");
        for path in files.into_iter().filter(|path| !is_test(path)) {
            let code = code(&path);
            wrong.extend(
                forbidden
                    .iter()
                    .filter(|name| code.contains(**name))
                    .map(|name| format!("{}: {name}", path.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let own_tests = |path: &PathBuf| {
        !path.starts_with(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")) && is_test(path)
    };
    for path in everywhere().into_iter().filter(|path| !own_tests(path)) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//!") || path.ends_with("db/schema.rs"),
            "{} does not open with what it is for",
            path.display()
        );
    }
}

/// POST handlers that need not ask what an earlier try made: they make nothing, or nothing that a second one would harm.
const NOTHING_TO_RESUME: [&str; 17] = [
    "simulate_pattern",       // only looks
    "test_webhook",           // a second test shows what is so now
    "quote_order",            // only looks
    "test_paid_settings",     // only looks
    "request_password_reset", // says the same whoever asks
    "create_password_token", // a new token makes the older one useless, and only its hash is there to be shown again
    "invite_user",           // the same
    "end_user_sessions",     // a second time there are none
    "change_my_password",    // a second time the present password is another
    "accept_invitation",     // the link is used up
    "create_email_token",    // a new token makes the older one useless
    "verify_email",          // a second time it does nothing
    "start_totp",            // begun anew, what was begun before is forgotten
    "confirm_totp",          // a second time there is one already
    "step_up",               // a second time it holds anew
    "create_session",        // sessions take no key
    "refresh_session",
];

/// POST handlers whose answers are credentials of the caller itself, which are kept nowhere; and of somebody whom nobody
/// knows before the answer.
const CREDENTIALS: [&str; 4] = [
    "create_session",
    "refresh_session",
    "step_up",
    "accept_invitation",
];

#[test]
fn whatever_acts_asks_first_what_an_earlier_try_has_made() {
    let (mut wrong, mut handlers) = (Vec::new(), 0);
    let rooms = ["src/http/admin", "src/http/auth", "src/http/storefront"];
    for path in rooms.into_iter().flat_map(under) {
        for described in code(&path).split("#[utoipa::path(").skip(1) {
            if !described.trim_start().starts_with("post,") {
                continue;
            }
            let handler = described.split_once("async fn ").map(|(_, rest)| rest);
            let signature = handler.and_then(|rest| rest.split(") -> ").next());
            let signature = signature.unwrap_or_default();
            handlers += 1;
            let name = signature.split('(').next().unwrap_or_default();
            let asks = signature.contains("Once<")
                || signature.contains("Once,")
                || signature.contains("OnceUnderKey<");
            if !asks && !NOTHING_TO_RESUME.contains(&name) {
                wrong.push(format!("{}: {name}", path.display()));
            }
            // Without a word about keys nothing is kept, which is right for credentials alone.
            let keeps = asks || signature.contains("AnswerKept");
            if keeps == CREDENTIALS.contains(&name) {
                wrong.push(format!(
                    "{}: {name} keeps its answer, or does not",
                    path.display()
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "these POST handlers take no Once:\n{}",
        wrong.join("\n")
    );
    assert!(handlers > 20, "only {handlers} POST handlers were found");
}

/// utoipa drops what is said beside a reference to another schema.
#[test]
fn no_limit_is_said_where_it_would_be_lost() {
    const LIMITS: [&str; 6] = [
        "minimum",
        "maximum",
        "min_length",
        "max_length",
        "pattern",
        "multiple_of",
    ];
    const PLAIN: [&str; 8] = ["String", "Vec<", "i16", "i32", "i64", "u32", "u64", "usize"];
    let mut lost = Vec::new();
    for file in under("src") {
        let text = fs::read_to_string(&file).unwrap();
        for part in text.split("#[schema(").skip(1) {
            let Some((attribute, after)) = part.split_once(")]") else {
                continue;
            };
            let field = after
                .lines()
                .map(str::trim)
                .find(|line| !line.is_empty() && !line.starts_with(['/', '#']));
            let Some((_, kind)) = field.and_then(|field| field.split_once(": ")) else {
                continue;
            };
            let kind = kind.trim_start_matches("Option<");
            let plain = PLAIN.iter().any(|plain| kind.starts_with(plain))
                || attribute.contains("value_type");
            if !plain && LIMITS.iter().any(|limit| attribute.contains(limit)) {
                lost.push(format!("{}: {}", file.display(), field.unwrap_or_default()));
            }
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

/// The comments of a file, each with the lines that belong together joined to one.
fn comments(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in text.lines() {
        let (code, comment) = line.split_once("//").unwrap_or((line, ""));
        if !code.trim().is_empty() || comment.is_empty() {
            found.push(String::new());
        }
        if let Some(last) = found.last_mut() {
            last.push(' ');
            last.push_str(comment.trim_start_matches(['/', '!']).trim());
        }
    }
    found
}

/// Is it a letter and a number up to 12, as rules once were called? Paid's codes have two digits, the first often 0.
fn is_number_of_a_rule(word: &str) -> bool {
    let Some(number) = word.strip_prefix(['S', 'O', 'A', 'R', 'P']) else {
        return false;
    };
    !number.starts_with('0') && number.parse::<u8>().is_ok_and(|number| number <= 12)
}

#[test]
fn no_rule_is_cited_by_a_number() {
    let mut cited = Vec::new();
    for path in everywhere() {
        for comment in comments(&fs::read_to_string(&path).unwrap()) {
            let mut words = comment.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            cited.extend(
                words
                    .find(|word| is_number_of_a_rule(word))
                    .map(|word| format!("{}: {word}", path.display())),
            );
        }
    }
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi");
    for document in ["admin.json", "storefront.json"] {
        let text = fs::read_to_string(published.join(document)).unwrap();
        let in_brackets = text.split('(').filter_map(|part| part.split(')').next());
        cited.extend(
            in_brackets
                .filter(|word| is_number_of_a_rule(word))
                .map(|word| format!("{document}: {word}")),
        );
    }
    assert!(
        cited.is_empty(),
        "cite rules by their names in docs/rules.md:\n{}",
        cited.join("\n")
    );
}

/// A rule of docs/rules.md: its name and what stands below it.
fn rules() -> Vec<(String, String)> {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md")).unwrap();
    let sections = text
        .split("\n## ")
        .flat_map(|group| group.split("\n### ").skip(1));
    sections
        .filter_map(|rule| rule.split_once('\n'))
        .map(|(name, rule)| (name.into(), rule.into()))
        .collect()
}

/// Is there a test of this name in the file? The attributes before it say so.
fn has_test(text: &str, name: &str) -> bool {
    text.split_once(&format!("fn {name}("))
        .is_some_and(|(before, _)| {
            let attributes = before
                .rsplit('\n')
                .skip(1)
                .map(str::trim)
                .take_while(|line| line.starts_with('#'));
            attributes
                .map(|line| line.trim_start_matches("#["))
                .any(|line| {
                    line.starts_with("test")
                        || line.starts_with("tokio::test")
                        || line.starts_with("actix_web::test")
                })
        })
}

#[test]
fn every_rule_says_why_and_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for (name, rule) in rules() {
        let shown = rule
            .split("\n\n")
            .find_map(|part| part.strip_prefix("Shown by "));
        if !rule.contains("\nWhy: ") || shown.is_none() {
            wrong.push(format!(
                "{name}: says not why it is so, or not what shows it"
            ));
        }
        let (mut file, mut text, mut tests) = (String::new(), String::new(), 0);
        for word in shown.unwrap_or_default().split('`').skip(1).step_by(2) {
            if word.ends_with(".rs") {
                file = word.to_owned();
                text = fs::read_to_string(root.join(word)).unwrap_or_default();
            } else if has_test(&text, word) {
                tests += 1;
            } else {
                wrong.push(format!("{name}: no test {word} in {file:?}"));
            }
        }
        if tests == 0 {
            wrong.push(format!("{name}: no test shows it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_that_is_cited_stands_in_the_rules() {
    let names: Vec<String> = rules().into_iter().map(|(name, _)| name).collect();
    let mut cited = 0;
    for path in everywhere() {
        // The tests about the rules speak of them without citing one.
        if path.ends_with("house.rs") {
            continue;
        }
        for comment in comments(&fs::read_to_string(&path).unwrap()) {
            if !comment.contains("docs/rules.md") {
                continue;
            }
            for name in comment.split('*').skip(1).step_by(2) {
                cited += 1;
                assert!(
                    names.iter().any(|rule| rule == name),
                    "{}: docs/rules.md has no {name:?}",
                    path.display()
                );
            }
        }
    }
    assert!(cited > 0, "no comment was found that cites a rule");
}

/// The list of all measures says what each means, and nothing is counted that it does not have.
#[test]
fn no_measure_is_named_but_in_the_list_of_them() {
    const LIST: &str = "telemetry/measures.rs";
    let named = |text: &str| {
        let macros = ["counter!(", "gauge!(", "histogram!("].iter();
        let mut after = macros.flat_map(|name| text.split(name).skip(1));
        after.any(|after| after.trim_start().starts_with('"'))
    };
    assert!(named("metrics::counter!(\n    \"requests\")"));
    let elsewhere = under("src")
        .into_iter()
        .filter(|path| !path.ends_with(LIST));
    let wrong: Vec<_> = elsewhere
        .filter(|path| named(&fs::read_to_string(path).unwrap()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn whatever_is_in_the_program_is_in_the_build_of_its_image() {
    let image =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile")).unwrap();
    let copied: Vec<&str> = image
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let pages = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/service/docs/pages.rs"),
    );
    let pages = pages.unwrap();
    let named: Vec<&str> = pages
        .split('"')
        .filter(|text| text.ends_with(".md"))
        .collect();
    assert!(named.len() >= 20, "{named:?}");
    for page in named {
        let is_there = copied
            .iter()
            .any(|place| page == *place || page.starts_with(&format!("{place}/")));
        assert!(is_there, "the Dockerfile leaves {page} out");
    }
}
