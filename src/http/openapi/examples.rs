//! Examples of every body and answer, put together from what the schemas say, so that none is forgotten and none drifts.
//!
//! A field shows its `example`; without one, something its type allows. A test checks each against its schema; a field
//! with a `pattern` needs an `example` of its own.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "JSON has six kinds of values, and there will be no more"
)]

use serde_json::{Map, Value, json};

const SCHEMAS: &str = "#/components/schemas/";

/// Deeper than any schema, in case one refers to itself.
const DEEPEST: usize = 40;

/// Adds an example to every JSON body and every JSON answer of success that has none.
pub fn add(document: &mut Value) {
    let schemas = document["components"]["schemas"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for (_, methods) in document["paths"].as_object_mut().into_iter().flatten() {
        for (_, operation) in methods.as_object_mut().into_iter().flatten() {
            if let Some(content) = operation.pointer_mut("/requestBody/content") {
                add_to(content, &schemas, false);
            }
            for (status, answer) in operation["responses"].as_object_mut().into_iter().flatten() {
                if let Some(content) = answer
                    .get_mut("content")
                    .filter(|_| status.starts_with('2'))
                {
                    add_to(content, &schemas, true);
                }
            }
        }
    }
}

fn add_to(content: &mut Value, schemas: &Map<String, Value>, answer: bool) {
    if let Some(Value::Object(json)) = content.get_mut("application/json")
        && !json.contains_key("example")
        && let Some(schema) = json.get("schema")
    {
        let example = Maker { schemas, answer }.make(schema, 0);
        json.insert("example".into(), example);
    }
}

struct Maker<'a> {
    schemas: &'a Map<String, Value>,
    /// An answer shows all of its fields, a body what is required and what says how it looks.
    answer: bool,
}

impl Maker<'_> {
    fn make(&self, schema: &Value, depth: usize) -> Value {
        if let Some(example) = schema.get("example") {
            return example.clone();
        }
        if depth > DEEPEST {
            return Value::Null;
        }
        if let Some(target) = referred(schema).and_then(|name| self.schemas.get(name)) {
            return self.make(target, depth + 1);
        }
        if let Some(first) = schema["oneOf"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["type"] != "null"))
        {
            return self.make(first, depth + 1);
        }
        if let Some(first) = schema["enum"].as_array().and_then(|words| words.first()) {
            return first.clone();
        }
        match &schema["type"] {
            Value::String(kind) => self.of_type(kind, schema, depth),
            // Without an example, what may be nothing is nothing.
            Value::Array(_) => Value::Null,
            _ => json!({}),
        }
    }

    fn of_type(&self, kind: &str, schema: &Value, depth: usize) -> Value {
        match kind {
            "object" => self.object(schema, depth),
            "array" => json!([self.make(&schema["items"], depth + 1)]),
            "boolean" => json!(false),
            "integer" | "number" => json!(schema["minimum"].as_i64().unwrap_or(0)),
            _ => json!(match schema["format"].as_str() {
                Some("uuid") => "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00",
                Some("date-time") => "2026-11-02T01:23:45Z",
                Some("date") => "2026-11-02",
                _ => "…",
            }),
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let shown = |name: &str, property: &Value| {
            let has_own = || {
                let target = referred(property).and_then(|target| self.schemas.get(target));
                property.get("example").is_some()
                    || target.is_some_and(|target| target.get("example").is_some())
            };
            required.iter().any(|one| one == name)
                || if self.answer {
                    property["type"] != "null"
                } else {
                    has_own()
                }
        };
        let properties = schema["properties"].as_object().into_iter().flatten();
        let made = properties.filter(|(name, property)| shown(name, property));
        made.map(|(name, property)| (name.clone(), self.make(property, depth + 1)))
            .collect::<Map<_, _>>()
            .into()
    }
}

fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"]
        .as_str()
        .and_then(|target| target.strip_prefix(SCHEMAS))
}
