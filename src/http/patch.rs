//! Bodies that are not simply one type: merge patches, and flat bodies of two halves.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::strict::from_value;
use crate::domain::Faults;
use crate::domain::member::Profile;
use crate::error::{Code, Error};

/// Applies a JSON merge patch (RFC 7396) to what is there now and reads the result strictly.
///
/// `null` takes a field away, that is, back to its default; where the field has none, it is missing.
pub fn merge_patch<T: Serialize + DeserializeOwned>(current: &T, patch: Value) -> Result<T, Error> {
    if !patch.is_object() {
        return Err(Error::invalid(
            "",
            "wrong_type",
            text!("merge-patch-is-a-json-object"),
        ));
    }
    let mut value = serde_json::to_value(current).map_err(anyhow::Error::from)?;
    merge(&mut value, patch);
    from_value(value)
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else {
        return;
    };
    for (name, change) in patch {
        if change.is_null() {
            fields.remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), change);
        }
    }
}

/// The rules that the form of a half does not show, where they can be asked for without the database.
pub trait Rules {
    /// Everything that is wrong.
    fn check(&self, _faults: &mut Faults) {}
}

impl Rules for Profile {
    fn check(&self, faults: &mut Faults) {
        let mut tidy = self.clone();
        tidy.tidy();
        Self::check(&tidy, faults);
    }
}

/// A body in the document that is made of two halves, side by side. It is read in these: nothing ever holds both.
macro_rules! two_halves {
    ($(#[$about:meta])* $name:ident: $others:ident, $own:ident) => {
        #[derive(utoipa::ToSchema)]
        $(#[$about])*
        #[allow(dead_code, reason = "stands for the body in the document; it is read in two halves")]
        struct $name {
            #[serde(flatten)]
            #[schema(inline)]
            others: $others,
            #[serde(flatten)]
            #[schema(inline)]
            own: $own,
        }
    };
}
pub(super) use two_halves;

/// Reads a flat body that is made of two strict halves: the fields named in `own` make a `B`, all others an `A`.
///
/// Where one half cannot be read, the rules of the other are asked at once. For bodies that show a domain type and a few
/// fields of their own side by side; serde's `flatten` cannot be strict.
pub fn split_body<A: DeserializeOwned + Rules, B: DeserializeOwned + Rules>(
    value: Value,
    own: &[&str],
) -> Result<(A, B), Error> {
    let (others, mine) = split(value, own)?;
    both(from_value(others), from_value(mine))
}

/// Two halves of one body, with the faults of both at once.
pub fn both<A: Rules, B: Rules>(a: Result<A, Error>, b: Result<B, Error>) -> Result<(A, B), Error> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (a, b) => {
            let mut faults = Faults::new();
            told(a, &mut faults)?;
            told(b, &mut faults)?;
            Err(faults.into())
        }
    }
}

/// Adds what is wrong with a half; any other error ends it all.
fn told<T: Rules>(half: Result<T, Error>, faults: &mut Faults) -> Result<(), Error> {
    match half {
        Ok(read) => read.check(faults),
        Err(Error::Problem(problem)) if problem.code == Code::Invalid => {
            faults.extend(problem.errors)
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Splits an object by the names of its fields: (the others, those named).
pub fn split(value: Value, own: &[&str]) -> Result<(Value, Value), Error> {
    let Value::Object(fields) = value else {
        return Err(Error::invalid(
            "",
            "wrong_type",
            text!("body-is-a-json-object"),
        ));
    };
    let (mine, others): (Map<_, _>, Map<_, _>) = fields
        .into_iter()
        .partition(|(name, _)| own.contains(&name.as_str()));
    Ok((Value::Object(others), Value::Object(mine)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::strict::forms::{Inner, Outer, faults, pairs};
    use super::*;
    use crate::domain::Yen;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Own {
        password: String,
    }

    impl Rules for Own {}
    impl Rules for Inner {}

    #[test]
    fn a_merge_patch_changes_what_it_names_and_null_resets() {
        let current = Outer {
            name: "a".into(),
            count: 1,
            lines: vec![Inner { price: Yen(5) }],
            note: "n".into(),
        };
        let patched =
            merge_patch(&current, json!({ "count": 2, "note": null, "lines": [] })).unwrap();
        assert_eq!(
            patched,
            Outer {
                name: "a".into(),
                count: 2,
                lines: vec![],
                note: String::new()
            }
        );
        assert_eq!(
            faults(merge_patch(&current, json!({ "name": null }))),
            pairs(&[("/name", "required")])
        );
        assert_eq!(
            faults(merge_patch(&current, json!([]))),
            pairs(&[("", "wrong_type")])
        );
        assert_eq!(
            faults(merge_patch(&current, json!({ "nmae": 1 }))),
            pairs(&[("/nmae", "unknown_field")])
        );
    }

    #[test]
    fn a_body_of_two_halves_is_strict_in_both() {
        let good = json!({ "price": 5, "password": "x" });
        let (inner, own) = split_body::<Inner, Own>(good, &["password"]).unwrap();
        assert_eq!((inner.price, own.password.as_str()), (Yen(5), "x"));
        let Err(Error::Problem(problem)) =
            split_body::<Inner, Own>(json!({ "price": "x", "y": 1 }), &["password"])
        else {
            panic!()
        };
        let pointers: Vec<_> = problem
            .errors
            .iter()
            .map(|fault| fault.pointer.as_str())
            .collect();
        assert_eq!(pointers, ["/price", "/y", "/password"]);
    }
}
