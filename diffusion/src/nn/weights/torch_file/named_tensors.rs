//! The tensors of a dictionary, by the names that lead to them.

use std::collections::BTreeMap;
use std::fmt;

use super::TorchFileError;
use super::machine::Pickle;
use super::storage::StoredTensor;
use super::values::{Value, ValueId, Values};

/// Dictionaries and lists in each other.
const MOST_NESTED: usize = 32;

/// Values that are looked at; those that are held in several places count in each.
const MOST_VISITS: usize = 1 << 23;

/// Bytes of a name.
const LONGEST_NAME: usize = 1024;

/// Tensors by name: keys of dictionaries and places in lists, with dots between.
pub(super) fn named_tensors<'v, 'a>(
    pickle: &'v Pickle<'a>,
) -> Result<BTreeMap<String, &'v StoredTensor<'a>>, TorchFileError> {
    let Value::Dictionary(entries) = pickle.value() else {
        let found = match pickle.value() {
            Value::Name(name) => format!("the name `{name}`"),
            other => other.kind(),
        };
        return Err(TorchFileError::NoDictionary { found });
    };
    let mut walk = Walk {
        values: &pickle.values,
        path: Vec::new(),
        visits: 0,
        found: BTreeMap::new(),
    };
    walk.dictionary(entries)?;
    match walk.found.is_empty() {
        true => Err(TorchFileError::NoTensors),
        false => Ok(walk.found),
    }
}

/// One part of a name.
#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    Text(&'a str),
    Number(i64),
    /// A key that is no name, such as a class; below it no tensor can be named.
    Unnamed,
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Unnamed => f.write_str("?"),
        }
    }
}

struct Walk<'v, 'a> {
    values: &'v Values<'a>,
    path: Vec<Part<'a>>,
    visits: usize,
    found: BTreeMap<String, &'v StoredTensor<'a>>,
}

impl<'v, 'a> Walk<'v, 'a> {
    fn dictionary(&mut self, entries: &'v [(ValueId, ValueId)]) -> Result<(), TorchFileError> {
        for (key, value) in entries {
            let part = match self.values.get(*key) {
                Value::Text(text) => Part::Text(text),
                Value::Integer(number) => Part::Number(*number),
                _ => Part::Unnamed,
            };
            self.visit(part, *value)?;
        }
        Ok(())
    }

    fn list(&mut self, items: &'v [ValueId]) -> Result<(), TorchFileError> {
        for (index, item) in items.iter().enumerate() {
            self.visit(Part::Number(index as i64), *item)?;
        }
        Ok(())
    }

    fn visit(&mut self, part: Part<'a>, value: ValueId) -> Result<(), TorchFileError> {
        self.visits += 1;
        if self.visits > MOST_VISITS {
            return Err(TorchFileError::TooMany {
                what: "values that are held again and again",
                limit: MOST_VISITS,
            });
        }
        if self.path.len() >= MOST_NESTED {
            return Err(TorchFileError::TooMany {
                what: "dictionaries and lists in each other",
                limit: MOST_NESTED,
            });
        }
        self.path.push(part);
        let values = self.values;
        match values.get(value) {
            Value::Tensor(tensor) => self.take(tensor)?,
            Value::Dictionary(entries) => self.dictionary(entries)?,
            Value::List(items) | Value::Tuple(items) => self.list(items)?,
            _ => {}
        }
        self.path.pop();
        Ok(())
    }

    fn take(&mut self, tensor: &'v StoredTensor<'a>) -> Result<(), TorchFileError> {
        let name = self.name()?;
        match self.found.insert(name.clone(), tensor) {
            Some(_) => Err(TorchFileError::Tensor {
                name,
                reason: "is there twice",
            }),
            None => Ok(()),
        }
    }

    fn name(&self) -> Result<String, TorchFileError> {
        let mut name = String::new();
        for part in &self.path {
            if !name.is_empty() {
                name.push('.');
            }
            let length = match part {
                Part::Text(text) => text.len(),
                _ => 0,
            };
            let reason = match part {
                Part::Unnamed => "lies below a key that is neither text nor a number",
                _ if name.len() + length > LONGEST_NAME => "goes on with a key that is too long",
                _ => {
                    name.push_str(&part.to_string());
                    continue;
                }
            };
            return Err(TorchFileError::Tensor { name, reason });
        }
        Ok(name)
    }
}
