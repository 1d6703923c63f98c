//! The value tree under every key.

use std::collections::BTreeMap;

/// A value with one encoding.
///
/// `Int` and `Uint` of the same number encode alike; conversions from Rust integers and from JSON use `Int` wherever
/// the number fits. `Int(1)` and `Float(1.0)` are different values.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer that fits 64 bits with sign.
    Int(i64),
    /// An integer, for those above `i64::MAX`.
    Uint(u64),
    /// A number by its bits; not a number is refused when encoded.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes, written in JSON as `{"$bytes": "<hex>"}`.
    Bytes(Vec<u8>),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
}

/// A value without a canonical encoding.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// Not a number has many bit patterns and is equal to nothing, so it cannot be part of a key.
    #[error("Not a number at `{0}` cannot be part of a key")]
    NotANumber(String),
    /// An integer needs more than 64 bits.
    #[error("Integer `{value}` at `{path}` needs more than 64 bits")]
    IntegerRange {
        /// Where in the value.
        path: String,
        /// The number.
        value: i128,
    },
    /// A map key is neither text nor an integer.
    #[error("Map at `{0}` has a key that is neither text nor an integer")]
    MapKey(String),
    /// Two map keys are spelled alike.
    #[error("Map at `{path}` has the key `{key}` twice")]
    DuplicateKey {
        /// Where in the value.
        path: String,
        /// The repeated key.
        key: String,
    },
    /// The data model of the type has no counterpart here.
    #[error("Value at `{0}` has no canonical form")]
    Unsupported(String),
    /// Serialization itself failed.
    #[error("Cannot serialize the value")]
    Serialize(#[source] ciborium::value::Error),
}

impl Value {
    /// Collects named values into a map.
    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Map(
            entries
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
        )
    }

    /// Returns the entry of a map, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(map) => map.get(key),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Uint(value), Self::Int)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Self {
        Self::List(values)
    }
}

impl From<BTreeMap<String, Value>> for Value {
    fn from(map: BTreeMap<String, Value>) -> Self {
        Self::Map(map)
    }
}
