//! What is sent and what is answered are different things, so each gets schemas of its own.
//!
//! A Rust type often stands for both. Read, it refuses unknown fields and leaves defaults away; written, every field is
//! there, and it may grow. From the one schema that utoipa makes of it come up to three here:
//!
//! - as a body that creates or replaces: closed, no `default` (a generator would take the field for a required one);
//! - as a merge patch: the same, but nothing is required, and what has a default may be `null`;
//! - as an answer: open, and every field that is always written is required.
//!
//! `allOf` is merged into one object first: a closed part would forbid the fields of the other parts.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "JSON has six kinds of values, and there will be no more"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// For a field that is read as `null` too, but never written as `null`: it is left away instead.
pub const LEFT_AWAY: &str = "x-left-away";

const SCHEMAS: &str = "#/components/schemas/";

/// What a schema is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Answer,
    Body,
    Patch,
}

/// Gives every side its own schemas. `is_patch` tells, by path and method, whose body is a merge patch.
pub fn separate(document: &mut Value, is_patch: impl Fn(&str, &str) -> bool) {
    let mut schemas = match document["components"]["schemas"].take() {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    };
    flatten_all(&mut schemas);
    let mut sides = Sides {
        schemas,
        uses: BTreeMap::new(),
    };
    let mut responses = document["components"]["responses"].take();
    let mut places = vec![(Side::Answer, &mut responses)];
    for (path, methods) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            let body = if is_patch(path, method) {
                Side::Patch
            } else {
                Side::Body
            };
            let operation = operation
                .as_object_mut()
                .expect("an operation is an object");
            for (name, part) in operation.iter_mut() {
                match name.as_str() {
                    "requestBody" => places.push((body, part)),
                    "responses" => places.push((Side::Answer, part)),
                    _ => {}
                }
            }
        }
    }
    for (side, place) in &places {
        sides.follow(*side, place);
    }
    for (side, place) in &mut places {
        sides.rename(*side, place);
    }
    document["components"]["responses"] = responses;
    document["components"]["schemas"] = sides.finish().into();
}

struct Sides {
    schemas: Map<String, Value>,
    /// On which sides a schema with fields is used. Plain texts, numbers and enumerations are the same everywhere.
    uses: BTreeMap<String, BTreeSet<Side>>,
}

impl Sides {
    /// Notes the sides of all that is referred to, however deep.
    fn follow(&mut self, side: Side, value: &Value) {
        for (name, side) in references(side, value) {
            let fresh = self.uses.entry(name.clone()).or_default().insert(side);
            if let Some(schema) = self.schemas.get(&name).filter(|_| fresh).cloned() {
                self.follow(side, &schema);
            }
        }
    }

    /// What the schema is called on this side: its plain name where it has no other.
    fn name(&self, name: &str, side: Side) -> String {
        let plain = name
            .strip_suffix("In")
            .filter(|plain| side == Side::Patch || !self.schemas.contains_key(*plain));
        let has_fields = self
            .schemas
            .get(name)
            .is_some_and(|schema| self.has_fields(schema));
        match side {
            _ if !has_fields => name.to_owned(),
            Side::Patch if name.ends_with("Patch") => name.to_owned(),
            Side::Patch => format!("{}Patch", plain.unwrap_or(name)),
            Side::Body if name.ends_with("In") || !self.used_for(name, Side::Answer) => {
                name.to_owned()
            }
            Side::Body => format!("{name}In"),
            Side::Answer => name.to_owned(),
        }
    }

    fn used_for(&self, name: &str, side: Side) -> bool {
        self.uses
            .get(name)
            .is_some_and(|sides| sides.contains(&side))
    }

    fn has_fields(&self, schema: &Value) -> bool {
        match schema {
            Value::Object(fields) => {
                fields.contains_key("properties") || fields.values().any(|one| self.has_fields(one))
            }
            Value::Array(items) => items.iter().any(|one| self.has_fields(one)),
            Value::String(text) => text
                .strip_prefix(SCHEMAS)
                .and_then(|name| self.schemas.get(name))
                .is_some_and(|schema| self.has_fields(schema)),
            _ => false,
        }
    }

    fn rename(&self, side: Side, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get_mut("$ref")
                    && let Some(name) = target.strip_prefix(SCHEMAS)
                {
                    *target = format!("{SCHEMAS}{}", self.name(name, side));
                }
                for (name, field) in fields.iter_mut() {
                    self.rename(below(side, name), field);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rename(side, item)),
            _ => {}
        }
    }

    fn finish(self) -> Map<String, Value> {
        let mut finished = Map::new();
        for (name, sides) in &self.uses {
            let Some(schema) = self.schemas.get(name) else {
                continue;
            };
            for side in sides {
                let mut schema = schema.clone();
                shape(*side, &mut schema);
                self.rename(*side, &mut schema);
                finished.insert(self.name(name, *side), schema);
            }
        }
        finished
    }
}

/// The names referred to, each with its side.
fn references(side: Side, value: &Value) -> Vec<(String, Side)> {
    let mut found = Vec::new();
    match value {
        Value::Object(fields) => {
            if let Some(name) = fields
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|to| to.strip_prefix(SCHEMAS))
            {
                found.push((name.to_owned(), side));
            }
            for (name, field) in fields {
                found.extend(references(below(side, name), field));
            }
        }
        Value::Array(items) => found.extend(items.iter().flat_map(|item| references(side, item))),
        _ => {}
    }
    found
}

/// A merge patch replaces arrays whole.
fn below(side: Side, keyword: &str) -> Side {
    if side == Side::Patch && keyword == "items" {
        Side::Body
    } else {
        side
    }
}

/// Makes a schema that of one side.
fn shape(side: Side, schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") {
                shape_object(side, fields);
            }
            for (name, field) in fields
                .iter_mut()
                .filter(|(name, _)| *name != "example" && *name != "examples")
            {
                shape(below(side, name), field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shape(side, item)),
        _ => {}
    }
}

fn shape_object(side: Side, object: &mut Map<String, Value>) {
    let mut required: BTreeSet<String> = names(object.get("required"));
    for (name, property) in object
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
    {
        let property = property.as_object_mut().expect("a property is an object");
        let default = property.remove("default");
        let left_away = property.remove(LEFT_AWAY).is_some();
        match side {
            Side::Body => {}
            Side::Patch if required.contains(name) => {}
            Side::Patch => {
                if are_pairs(property) {
                    property.insert("$ref".into(), "#/components/schemas/MetadataPatch".into());
                }
                allow_null(property);
            }
            Side::Answer if left_away => forbid_null(property),
            Side::Answer => {
                let filled = default.is_some_and(|default| !default.is_null());
                if is_nullable(property) || filled || are_pairs(property) {
                    required.insert(name.clone());
                }
            }
        }
    }
    match side {
        Side::Patch => required.clear(),
        Side::Body => {}
        Side::Answer => drop(object.remove("additionalProperties")),
    }
    if side != Side::Answer {
        object.insert("additionalProperties".into(), false.into());
    }
    object.remove("required");
    if !required.is_empty() {
        object.insert(
            "required".into(),
            required.into_iter().collect::<Vec<_>>().into(),
        );
    }
}

/// Are these the pairs that another system attached? They are always told, and a patch takes single ones away.
fn are_pairs(property: &Map<String, Value>) -> bool {
    let schema = property.get("$ref").and_then(Value::as_str);
    schema.is_some_and(|schema| schema.ends_with("/Metadata"))
}

fn names(value: Option<&Value>) -> BTreeSet<String> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn is_nullable(property: &Map<String, Value>) -> bool {
    let null = json!("null");
    let in_type = property
        .get("type")
        .is_some_and(|kind| *kind == null || names(Some(kind)).contains("null"));
    let one_of = property.get("oneOf").and_then(Value::as_array);
    in_type || one_of.is_some_and(|all| all.iter().any(|one| one["type"] == null))
}

fn allow_null(property: &mut Map<String, Value>) {
    if is_nullable(property) {
        return;
    }
    if let Some(kind) = property.get("type").and_then(Value::as_str) {
        let kinds = json!([kind, "null"]);
        property.insert("type".into(), kinds);
    } else if let Some(target) = property.remove("$ref") {
        property.insert(
            "oneOf".into(),
            json!([{ "$ref": target }, { "type": "null" }]),
        );
    }
}

fn forbid_null(property: &mut Map<String, Value>) {
    if let Some(kinds) = property.get_mut("type") {
        let others: Vec<_> = names(Some(kinds))
            .into_iter()
            .filter(|kind| kind != "null")
            .collect();
        if let [one] = &others[..] {
            *kinds = json!(one);
        }
    }
}

/// Merges every `allOf` of objects into one object.
fn flatten_all(schemas: &mut Map<String, Value>) {
    let before = schemas.clone();
    for schema in schemas.values_mut() {
        flatten(schema, &before);
    }
}

fn flatten(schema: &mut Value, schemas: &Map<String, Value>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(parts)) = fields.remove("allOf") {
                let mut merged = Map::from_iter([("type".to_owned(), json!("object"))]);
                for part in parts {
                    merge(&mut merged, resolve(part, schemas), schemas);
                }
                merged.remove("description");
                merged.remove("example");
                // What stands beside `allOf` speaks for the whole.
                merged.append(fields);
                *fields = merged;
            }
            for field in fields.values_mut() {
                flatten(field, schemas);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| flatten(item, schemas)),
        _ => {}
    }
}

fn resolve(part: Value, schemas: &Map<String, Value>) -> Value {
    let name = part["$ref"]
        .as_str()
        .and_then(|target| target.strip_prefix(SCHEMAS));
    name.and_then(|name| schemas.get(name))
        .cloned()
        .unwrap_or(part)
}

fn merge(into: &mut Map<String, Value>, mut part: Value, schemas: &Map<String, Value>) {
    flatten(&mut part, schemas);
    let Value::Object(part) = part else { return };
    for (keyword, value) in part {
        match (keyword.as_str(), into.get_mut(&keyword), value) {
            ("properties", Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            ("required", Some(Value::Array(there)), Value::Array(more)) => there.extend(more),
            (_, _, value) => drop(into.insert(keyword, value)),
        }
    }
}
