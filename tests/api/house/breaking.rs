//! Nothing that a client relies on goes: the documents are compared with those of the last release, `openapi/released/`. What
//! counts as breaking stands in docs/versioning.md.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

/// Who writes a value: what may become of it depends on that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The client.
    Request,
    /// The service.
    Answer,
}

/// Bounds, and whether a larger number is narrower.
const BOUNDS: [(&str, bool); 6] = [
    ("maxLength", false),
    ("maxItems", false),
    ("maximum", false),
    ("minLength", true),
    ("minItems", true),
    ("minimum", true),
];

fn document(path: &str) -> Value {
    let path = format!("{}/openapi/{path}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// What breaks where the one document takes the place of the other.
fn breaks(before: &Value, after: &Value) -> Vec<String> {
    let mut comparison = Comparison {
        before,
        after,
        seen: BTreeSet::new(),
        found: Vec::new(),
    };
    for (path, item) in members(&before["paths"]) {
        for (method, operation) in members(item) {
            let at = format!("{method} {path}");
            match after["paths"][path].get(method) {
                Some(now) => comparison.operation(&at, operation, now),
                None => comparison.tell(&at, "is gone"),
            }
        }
    }
    comparison.found
}

struct Comparison<'a> {
    before: &'a Value,
    after: &'a Value,
    /// Schemas that were compared already, as they may hold themselves.
    seen: BTreeSet<(String, bool)>,
    found: Vec<String>,
}

fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

fn words(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|word| {
        word.as_str()
            .map_or_else(|| word.to_string(), str::to_owned)
    })
    .collect()
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or(schema),
        None => schema,
    }
}

impl Comparison<'_> {
    fn tell(&mut self, at: &str, what: &str) {
        self.found.push(format!("{at} {what}"));
    }

    fn operation(&mut self, at: &str, before: &Value, now: &Value) {
        if before["security"] != now["security"] {
            self.tell(at, "asks for other rights");
        }
        self.parameters(at, before, now);
        let body = |operation: &Value| operation["requestBody"].clone();
        let required = |body: &Value| body["required"] == json!(true);
        if required(&body(now)) && !required(&body(before)) {
            self.tell(at, "needs a body");
        }
        self.contents(
            &format!("{at}: body"),
            &body(before),
            &body(now),
            Of::Request,
        );
        for (status, response) in members(&before["responses"]) {
            match now["responses"].get(status) {
                Some(now) => self.contents(&format!("{at}: {status}"), response, now, Of::Answer),
                None => self.tell(at, &format!("never answers {status} any more")),
            }
        }
    }

    fn parameters(&mut self, at: &str, before: &Value, now: &Value) {
        let list = |operation: &Value| {
            operation["parameters"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        };
        let named = |list: &[Value], one: &Value| {
            list.iter()
                .find(|other| other["name"] == one["name"] && other["in"] == one["in"])
                .cloned()
        };
        let (old, new) = (list(before), list(now));
        for parameter in &old {
            let at = format!("{at}: {}", parameter["name"]);
            match named(&new, parameter) {
                Some(now) => self.schema(&at, &parameter["schema"], &now["schema"], Of::Request),
                None => self.tell(&at, "is gone"),
            }
        }
        for parameter in new
            .iter()
            .filter(|parameter| parameter["required"] == json!(true))
        {
            if named(&old, parameter).is_none_or(|before| before["required"] != json!(true)) {
                self.tell(&format!("{at}: {}", parameter["name"]), "is required");
            }
        }
    }

    fn contents(&mut self, at: &str, before: &Value, now: &Value, of: Of) {
        for (kind, content) in members(&before["content"]) {
            match now["content"].get(kind) {
                Some(now) => self.schema(at, &content["schema"], &now["schema"], of),
                None => self.tell(at, &format!("is no {kind} any more")),
            }
        }
    }

    fn schema(&mut self, at: &str, before: &Value, now: &Value, of: Of) {
        let name = format!("{}{}", before["$ref"], now["$ref"]);
        if name.contains('#') && !self.seen.insert((name, of == Of::Request)) {
            return;
        }
        let (before, now) = (
            resolved(self.before, before).clone(),
            resolved(self.after, now).clone(),
        );
        self.value(at, &before, &now, of);
        for (property, schema) in members(&before["properties"]) {
            let at = format!("{at}/{property}");
            match now["properties"].get(property) {
                Some(now) => self.schema(&at, schema, now, of),
                None => self.tell(&at, "is gone"),
            }
        }
        let required = (words(&before["required"]), words(&now["required"]));
        let (lost, why) = match of {
            Of::Request => (required.1.difference(&required.0), "is required"),
            Of::Answer => (required.0.difference(&required.1), "may be missing"),
        };
        lost.for_each(|property| self.found.push(format!("{at}/{property} {why}")));
        if before.get("items").is_some() {
            self.schema(&format!("{at}/0"), &before["items"], &now["items"], of);
        }
        for form in ["oneOf", "allOf", "anyOf"] {
            let (old, new) = (before[form].as_array(), now[form].as_array());
            for (old, new) in old.into_iter().flatten().zip(new.into_iter().flatten()) {
                self.schema(at, old, new, of);
            }
        }
    }

    fn value(&mut self, at: &str, before: &Value, now: &Value, of: Of) {
        let types = |schema: &Value| match &schema["type"] {
            Value::String(one) => BTreeSet::from([one.clone()]),
            several => words(several),
        };
        let (old, new) = (types(before), types(now));
        let fits = match of {
            Of::Request => old.is_subset(&new),
            Of::Answer => new.is_subset(&old),
        };
        if !fits && !old.is_empty() && !new.is_empty() {
            self.tell(at, "is of another type");
        }
        if !words(&before["enum"]).is_subset(&words(&now["enum"])) && now.get("enum").is_some() {
            self.tell(at, "lacks a word");
        }
        if before["default"] != now["default"] && before.get("default").is_some() {
            self.tell(at, "has another default");
        }
        if of == Of::Answer {
            return;
        }
        for (bound, larger_is_narrower) in BOUNDS {
            let narrower = match (before[bound].as_f64(), now[bound].as_f64()) {
                (Some(old), Some(new)) => (new > old) == larger_is_narrower && new != old,
                (None, Some(_)) => true,
                _ => false,
            };
            if narrower {
                self.tell(at, &format!("has a narrower {bound}"));
            }
        }
        if before["pattern"] != now["pattern"] && now.get("pattern").is_some() {
            self.tell(at, "has another pattern");
        }
    }
}

#[test]
fn nothing_that_was_released_is_broken() {
    for name in ["storefront.json", "admin.json"] {
        let found = breaks(&document(&format!("released/{name}")), &document(name));
        assert!(
            found.is_empty(),
            "{name}, see docs/versioning.md: {found:#?}"
        );
    }
}

#[test]
fn a_change_that_breaks_clients_is_found_and_one_that_does_not_is_not() {
    let released = document("admin.json");
    let order = "/components/schemas/Order";
    let changed = |pointer: &str, change: &dyn Fn(&mut Value)| {
        let mut document = released.clone();
        let place = document.pointer_mut(pointer);
        change(place.unwrap_or_else(|| panic!("{pointer} is not there")));
        breaks(&released, &document)
    };
    let gone = |name: &'static str| {
        move |object: &mut Value| drop(object.as_object_mut().unwrap().remove(name))
    };
    let cancel = "/paths/~1v1~1admin~1orders~1{id}~1cancel/post";
    type Change<'a> = (String, &'a dyn Fn(&mut Value));
    let breaking: [Change<'_>; 7] = [
        ("/paths".into(), &gone("/v1/admin/orders")),
        (format!("{order}/properties"), &gone("totals")),
        (format!("{order}/properties/number/type"), &|kind| {
            *kind = json!("integer")
        }),
        (format!("{cancel}/responses"), &gone("202")),
        ("/components/schemas/CancelOrderIn".into(), &|schema| {
            schema["required"] = json!(["reason"])
        }),
        (
            "/components/schemas/CancelOrderIn/properties/reason".into(),
            &|field| field["maxLength"] = json!(10),
        ),
        ("/components/schemas/PaymentStatus/enum".into(), &|words| {
            drop(words.as_array_mut().unwrap().pop())
        }),
    ];
    for (pointer, change) in breaking {
        assert!(!changed(&pointer, change).is_empty(), "{pointer}");
    }
    let harmless: [Change<'_>; 4] = [
        ("/paths".into(), &|paths| {
            paths["/v1/admin/more"] = json!({ "get": { "responses": {} } })
        }),
        (format!("{order}/properties"), &|fields| {
            fields["more"] = json!({ "type": "string" })
        }),
        ("/components/schemas/PaymentStatus/enum".into(), &|words| {
            words.as_array_mut().unwrap().push(json!("more"))
        }),
        (
            "/components/schemas/CancelOrderIn/properties/reason".into(),
            &|field| field["maxLength"] = json!(5000),
        ),
    ];
    for (pointer, change) in harmless {
        assert_eq!(changed(&pointer, change), Vec::<String>::new(), "{pointer}");
    }
}
