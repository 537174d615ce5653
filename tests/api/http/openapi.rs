//! The published documents.

use std::fs;
use std::path::Path;

use kakeuri::http::openapi::{self, documents};
use serde_json::{Value, json};

use crate::support::process::empty_folder;
use crate::support::{Answer, Client, TestApp, new_key, registration, schema};

fn both() -> [(&'static str, &'static Value); 2] {
    [
        ("storefront", &documents().storefront),
        ("admin", &documents().admin),
    ]
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
        assert!(
            committed == openapi::text(document),
            "run `cargo run -- openapi` and commit openapi/{name}.json"
        );
    }
}

#[actix_web::test]
async fn the_served_documents_are_the_same() {
    let app = TestApp::start().await;
    for (name, document) in both() {
        assert_eq!(
            app.stranger()
                .get(&format!("/openapi/{name}.json"))
                .await
                .expect(200)
                .body,
            *document
        );
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
                assert!(
                    operation["summary"]
                        .as_str()
                        .is_some_and(|text| !text.is_empty()),
                    "{place} has no summary"
                );
                assert!(
                    operation["tags"][0].as_str().is_some(),
                    "{place} has no tag"
                );
                ids.push(operation["operationId"].as_str().unwrap().to_owned());
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let described = response.get("$ref").is_some()
                        || response["description"].as_str() > Some("");
                    assert!(described, "{place}: {status} has no description");
                }
                assert!(
                    operation["responses"]
                        .as_object()
                        .unwrap()
                        .keys()
                        .any(|status| status.starts_with('2')),
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
fn every_cursor_says_how_it_looks() {
    for (name, document) in both() {
        for (path, methods) in document["paths"].as_object().unwrap() {
            let operations = methods.as_object().unwrap().values();
            let parameters = operations
                .flat_map(|operation| operation["parameters"].as_array().into_iter().flatten());
            for cursor in parameters.filter(|parameter| parameter["name"] == "cursor") {
                assert!(cursor["schema"]["pattern"].is_string(), "{name}: {path}");
            }
        }
    }
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
    document["components"]["schemas"]
        .as_object_mut()
        .unwrap()
        .remove("Vocabulary");
    document["paths"]
        .as_object_mut()
        .unwrap()
        .remove("/v1/vocabulary");
    let text = openapi::text(&document);
    for secret in [
        "paid_code",
        "paid_codes",
        "application_status",
        "amount_mismatch",
        "internal_note",
    ] {
        // As a field; the list of problem codes is for everybody, too.
        assert!(!text.contains(&format!("\"{secret}\":")), "{secret}");
    }
}

/// What is wrong with a value by the schema at a JSON pointer of a document.
#[track_caller]
fn faults(document: &Value, pointer: &str, value: &Value) -> Vec<String> {
    let schema = document
        .pointer(pointer)
        .unwrap_or_else(|| panic!("{pointer} is not in the document"));
    schema::faults(document, schema, value)
}

fn escaped(path: &str) -> String {
    path.replace('~', "~0").replace('/', "~1")
}

/// Every operation: its place in words, the pointer to it, and itself.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            methods
                .as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| (path, method, operation))
        })
        .map(|(path, method, operation)| {
            (
                format!("{method} {path}"),
                format!("/paths/{}/{method}", escaped(path)),
                operation,
            )
        })
        .collect()
}

#[test]
fn every_body_and_every_answer_has_an_example_that_fits_its_schema() {
    let mut wrong = Vec::new();
    for (name, document) in both() {
        for (place, pointer, operation) in operations(document) {
            let answers = operation["responses"].as_object().unwrap().iter();
            let answers = answers.filter(|(status, _)| status.starts_with('2'));
            let contents = answers.map(|(status, answer)| (format!("/responses/{status}"), answer));
            for (part, holder) in
                contents.chain([("/requestBody".to_owned(), &operation["requestBody"])])
            {
                let Some(json) = holder.pointer("/content/application~1json") else {
                    continue;
                };
                match json.get("example") {
                    None => wrong.push(format!("{name}: {place}{part} has no example")),
                    Some(example) => {
                        let schema = format!("{pointer}{part}/content/application~1json/schema");
                        let faults = faults(document, &schema, example);
                        wrong.extend(
                            faults
                                .iter()
                                .map(|fault| format!("{name}: {place}{part}: {fault}")),
                        );
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_sent_is_closed_and_has_no_defaults_and_what_is_answered_is_open() {
    for (name, document) in both() {
        let text = document.to_string();
        assert!(
            !text.contains("\"allOf\""),
            "{name}: a part of allOf would forbid the fields of the others"
        );
        assert!(!text.contains("x-left-away"), "{name}");
        for (schema, value) in document["components"]["schemas"].as_object().unwrap() {
            let properties = value["properties"].as_object();
            let sent = value["additionalProperties"] == false;
            for (field, property) in properties.into_iter().flatten() {
                assert!(
                    property.get("default").is_none(),
                    "{name}: {schema}.{field} is optional, not defaulted"
                );
            }
            let is_sent = schema.ends_with("In") || schema.ends_with("Patch");
            assert!(
                !is_sent || sent || properties.is_none(),
                "{name}: {schema} takes unknown fields"
            );
        }
    }
}

#[test]
fn what_is_required_is_said() {
    let required =
        |schema: &str| documents().admin["components"]["schemas"][schema]["required"].clone();
    assert_eq!(
        required("MemberIn"),
        json!(["company_name", "contact", "email", "phone"])
    );
    assert_eq!(
        required("ContactNameIn"),
        json!(["family_name", "given_name"])
    );
    assert_eq!(required("MemberPatch"), Value::Null);
    assert_eq!(required("ConfirmIn"), Value::Null);
    assert_eq!(
        required("ProductIn"),
        json!(["code", "name", "tax_rate", "unit_price"])
    );
}

#[test]
fn the_limits_that_are_enforced_are_said() {
    let schemas = &documents().admin["components"]["schemas"];
    let said = |schema: &str, field: &str, limit: &str| {
        schemas[schema]["properties"][field][limit].clone()
    };
    assert_eq!(said("ProductIn", "unit_price", "minimum"), 0);
    assert_eq!(said("OrderIn", "shipping_fee", "minimum"), 0);
    assert_eq!(said("OrderIn", "payment_fee", "minimum"), 0);
    assert_eq!(
        said("StoreSettingsPatch", "status_refresh_minutes", "maximum"),
        10_080
    );
    assert_eq!(
        said("StoreSettingsPatch", "unconfirmed_alert_days", "maximum"),
        3_650
    );
    for (schema, ids) in [
        ("SubmissionsIn", "member_ids"),
        ("RefreshesIn", "member_ids"),
        ("ConfirmationsIn", "order_ids"),
    ] {
        assert_eq!(said(schema, ids, "minItems"), 1, "{schema}");
    }
}

#[test]
fn every_tag_is_described_and_every_call_with_a_token_says_how_it_is_refused() {
    for (name, document) in both() {
        let tags: Vec<&str> = document["tags"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|tag| tag["name"].as_str())
            .collect();
        for (place, _, operation) in operations(document) {
            let tag = operation["tags"][0].as_str().unwrap();
            assert!(
                tags.contains(&tag),
                "{name}: {place}: the tag {tag} is not described"
            );
            let securities = operation["security"].as_array().unwrap();
            if securities.iter().any(|one| one.get("token").is_some()) {
                for status in ["401", "403", "429"] {
                    assert!(
                        operation["responses"].get(status).is_some(),
                        "{name}: {place} does not tell of a {status}"
                    );
                }
            }
        }
    }
}

/// Asks, and holds the answer against the schema of its operation and status.
async fn ask(
    client: &Client,
    document: &Value,
    method: &str,
    pattern: &str,
    id: &str,
    body: Option<Value>,
) -> Answer {
    let path = pattern.replace("{id}", id);
    let answer = client
        .key(&new_key())
        .send(method.to_uppercase().parse().unwrap(), &path, body)
        .await;
    let (bare, kind) = (
        pattern.split('?').next().unwrap(),
        answer.header("content-type").unwrap_or_default().to_owned(),
    );
    let place = format!("{method} {pattern}: {} {}", answer.status, answer.text);
    let status = format!(
        "/paths/{}/{method}/responses/{}",
        escaped(bare),
        answer.status
    );
    let described = document
        .pointer(&status)
        .unwrap_or_else(|| panic!("{place} is not in the document"));
    let pointer = match described["$ref"].as_str() {
        Some(target) => target.trim_start_matches('#').to_owned(),
        None => status,
    };
    if !kind.is_empty() {
        let faults = faults(
            document,
            &format!("{pointer}/content/{}/schema", escaped(&kind)),
            &answer.body,
        );
        assert!(faults.is_empty(), "{place}\n{}", faults.join("\n"));
    }
    answer
}

#[actix_web::test]
async fn the_answers_of_the_demo_store_are_as_published() {
    let folder = empty_folder("documents");
    let app = TestApp::start_with(&[("KAKEURI_DATA_DIR", folder.to_str().unwrap())]).await;
    let demo = kakeuri::demo::ensure(&app.app).await.unwrap().unwrap();
    let ttl = chrono::TimeDelta::hours(1);
    let scopes = kakeuri::domain::permissions::Role::Owner.scopes();
    let token = kakeuri::workflows::session::developer_token(&app.app, demo.store, &scopes, ttl)
        .await
        .unwrap();
    let (owner, admin) = (app.stranger().bearer(&token), &documents().admin);
    for list in [
        "orders",
        "members",
        "products",
        "reconciliation",
        "events",
        "jobs",
    ] {
        let listed = ask(&owner, admin, "get", &format!("/v1/admin/{list}"), "", None)
            .await
            .expect(200)
            .body;
        let ids = listed["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|row| row["id"].as_str());
        for id in ids
            .filter(|_| ["orders", "members", "products"].contains(&list))
            .take(20)
        {
            ask(
                &owner,
                admin,
                "get",
                &format!("/v1/admin/{list}/{{id}}"),
                id,
                None,
            )
            .await
            .expect(200);
            match list {
                "orders" => drop(
                    ask(
                        &owner,
                        admin,
                        "get",
                        "/v1/admin/orders/{id}/timeline",
                        id,
                        None,
                    )
                    .await
                    .expect(200),
                ),
                "members" => drop(
                    ask(
                        &owner,
                        admin,
                        "get",
                        "/v1/admin/members/{id}/paid",
                        id,
                        None,
                    )
                    .await
                    .expect(200),
                ),
                _ => {}
            }
        }
    }
    for page in ["summary", "settings/paid", "settings/store"] {
        ask(&owner, admin, "get", &format!("/v1/admin/{page}"), "", None)
            .await
            .expect(200);
    }
    let job = ask(
        &owner,
        admin,
        "post",
        "/v1/admin/members/paid/refresh",
        "",
        Some(json!({})),
    )
    .await
    .expect(202);
    app.work().await;
    ask(
        &owner,
        admin,
        "get",
        "/v1/admin/jobs/{id}",
        &job.text_at("/id"),
        None,
    )
    .await
    .expect(200);
    ask(
        &owner,
        admin,
        "get",
        "/v1/admin/jobs/{id}/items",
        &job.text_at("/id"),
        None,
    )
    .await
    .expect(200);
    for bad in ["members", "products", "orders"] {
        ask(
            &owner,
            admin,
            "post",
            &format!("/v1/admin/{bad}"),
            "",
            Some(json!({})),
        )
        .await
        .problem(422, "invalid");
    }
    the_storefront_too(&app, &demo).await;
    std::fs::remove_dir_all(&folder).unwrap();
}

async fn the_storefront_too(app: &TestApp, demo: &kakeuri::demo::Demo) {
    let document = &documents().storefront;
    let shop = app
        .stranger()
        .with("X-Publishable-Key", &demo.publishable_key);
    let login = json!({ "email": demo.buyer_email, "password": demo.password });
    let session = ask(
        &shop,
        document,
        "post",
        "/v1/storefront/sessions",
        "",
        Some(login),
    )
    .await
    .expect(201);
    for page in ["config", "products"] {
        ask(
            &shop,
            document,
            "get",
            &format!("/v1/storefront/{page}"),
            "",
            None,
        )
        .await
        .expect(200);
    }
    let buyer = app.stranger().bearer(&session.text_at("/access_token"));
    for page in ["me", "me/paid", "orders", "payment-methods"] {
        ask(
            &buyer,
            document,
            "get",
            &format!("/v1/storefront/{page}"),
            "",
            None,
        )
        .await
        .expect(200);
    }
    ask(
        &buyer,
        document,
        "patch",
        "/v1/storefront/me",
        "",
        Some(json!({ "fax": null })),
    )
    .await
    .expect(200);
    ask(
        &buyer,
        document,
        "post",
        "/v1/storefront/orders/quote",
        "",
        Some(json!({})),
    )
    .await
    .problem(422, "invalid");
    let registration = registration("new@buyer.example", false);
    ask(
        &shop,
        document,
        "post",
        "/v1/storefront/members",
        "",
        Some(registration),
    )
    .await
    .expect(201);
}
