//! What is wrong with an input, all of it at once.

use crate::texts::Text;

/// One fault of one field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(from = "KeptFault", into = "KeptFault")]
pub struct Fault {
    /// Where: the JSON pointer of the field, or the name of a query parameter or of a column of a file.
    #[schema(example = "/lines/0/quantity")]
    pub pointer: String,
    /// What is wrong, as a stable word for programs.
    #[schema(example = "out_of_range")]
    pub code: String,
    /// What is wrong, as a sentence for people in the language asked for.
    #[schema(value_type = String, example = "数量は0以上で入力してください。")]
    pub message: Text,
    /// Paid's own error code (エラーコード), where the rule is Paid's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false, example = "B16")]
    pub paid_code: Option<String>,
    /// The header of the column (列名), as the file of an import names it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false, example = "電話番号")]
    pub column: Option<String>,
}

kept_with_its_text! {
    Fault as KeptFault {
        pointer: String,
        code: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        paid_code: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        column: Option<String>,
    }
}

impl Fault {
    /// A fault by Kakeuri's own rules.
    pub fn new(pointer: impl Into<String>, code: &str, message: Text) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.to_owned(),
            message,
            paid_code: None,
            column: None,
        }
    }
}

/// Collects faults, so that a caller learns all of them from one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The most that are collected: nobody mends more at once, and an answer stays short.
    pub const MOST: usize = 100;

    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault.
    pub fn add(&mut self, pointer: impl Into<String>, code: &str, message: Text) {
        self.extend([Fault::new(pointer, code, message)]);
    }

    /// Adds a fault unless `good`.
    pub fn check(&mut self, good: bool, pointer: &str, code: &str, message: Text) {
        if !good {
            self.add(pointer, code, message);
        }
    }

    /// Adds many.
    pub fn extend(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.0.extend(
            faults
                .into_iter()
                .take(Self::MOST.saturating_sub(self.0.len())),
        );
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Was none found?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Ok` if nothing was found.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The faults found.
    pub fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

/// Why something is not possible, for a machine and for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Reason {
    /// The reason, as a stable word for programs.
    #[schema(example = "not_approved")]
    pub code: String,
    /// The reason, as a sentence for people in the language asked for.
    #[serde(serialize_with = "crate::texts::for_the_reader")]
    #[schema(value_type = String, example = "Paid（掛け払い）をご利用いただける状態ではありません。")]
    pub message: Text,
}

impl Reason {
    /// A reason.
    pub fn new(code: &str, message: Text) -> Self {
        Self {
            code: code.to_owned(),
            message,
        }
    }
}
