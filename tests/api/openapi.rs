//! The published documents.

use std::fs;
use std::path::Path;

use kakeuri::http::openapi::{self, documents};
use serde_json::Value;

use crate::support::TestApp;

fn both() -> [(&'static str, &'static Value); 2] {
    [("storefront", &documents().storefront), ("admin", &documents().admin)]
}

#[actix_web::test]
async fn the_committed_documents_are_what_the_code_says() {
    for (name, document) in both() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("openapi/{name}.json"));
        if std::env::var_os("KAKEURI_UPDATE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, openapi::text(document)).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == openapi::text(document), "run `cargo run -- openapi` and commit openapi/{name}.json");
    }
}

#[actix_web::test]
async fn the_served_documents_are_the_same() {
    let app = TestApp::start().await;
    for (name, document) in both() {
        assert_eq!(app.stranger().get(&format!("/openapi/{name}.json")).await.expect(200).body, *document);
    }
}

#[test]
fn every_operation_is_described_whole() {
    for (name, document) in both() {
        assert_eq!(document["openapi"], "3.1.0");
        let mut ids = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let place = format!("{name}: {method} {path}");
                assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{place} has no summary");
                assert!(operation["tags"][0].as_str().is_some(), "{place} has no tag");
                ids.push(operation["operationId"].as_str().unwrap().to_owned());
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let described = response.get("$ref").is_some() || response["description"].as_str() > Some("");
                    assert!(described, "{place}: {status} has no description");
                }
                assert!(
                    operation["responses"].as_object().unwrap().keys().any(|status| status.starts_with('2')),
                    "{place}"
                );
            }
        }
        ids.sort();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count, "{name}: two operations have the same id");
    }
}

#[test]
fn enumerations_are_published_as_the_words_that_are_sent() {
    let enumerations = kakeuri::http::service::vocabulary::enumerations();
    let mut compared = 0;
    for (name, document) in both() {
        for (enumeration, values) in &enumerations {
            let published = &document["components"]["schemas"][enumeration]["enum"];
            if let Some(published) = published.as_array() {
                let words: Vec<&str> = values.iter().map(|(word, _, _)| *word).collect();
                assert_eq!(*published, words, "{name}: {enumeration}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 20, "only {compared} enumerations are published");
}

#[test]
fn every_reference_leads_somewhere() {
    for (name, document) in both() {
        let mut open = vec![document];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(fields) => {
                    if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                        let found = document.pointer(target.trim_start_matches('#'));
                        assert!(found.is_some(), "{name}: {target} leads nowhere");
                    }
                    open.extend(fields.values());
                }
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
    }
}

#[test]
fn the_storefronts_document_does_not_speak_of_what_paid_said() {
    let mut document = documents().storefront.clone();
    // The dictionary of Paid's codes is for everybody.
    document["components"]["schemas"].as_object_mut().unwrap().remove("Vocabulary");
    let text = openapi::text(&document);
    for secret in ["paid_code", "paid_codes", "application_status", "amount_mismatch", "internal_note"] {
        // As a field; the list of problem codes is for everybody, too.
        assert!(!text.contains(&format!("\"{secret}\":")), "{secret}");
    }
}
