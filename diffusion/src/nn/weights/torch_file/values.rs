//! What a pickle holds, as far as tensors need it.
//!
//! Values lie in one list and hold each other by number, so that however deep they are nested, and be it in
//! themselves, nothing recurs in making or dropping them.

use std::fmt;

use super::TorchFileError;
use super::storage::{Storage, StoredTensor};

/// Values of a pickle; training checkpoints have some hundred thousand.
const MOST_VALUES: usize = 1 << 21;

/// Items in all lists, tuples and dictionaries together.
const MOST_ITEMS: usize = 1 << 23;

/// A value's place in [`Values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValueId(u32);

/// What Python would import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GlobalName<'a> {
    pub(super) module: &'a str,
    pub(super) name: &'a str,
}

impl fmt::Display for GlobalName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module.escape_debug(), self.name.escape_debug())
    }
}

/// A value, or what is left of it.
#[derive(Debug)]
pub(super) enum Value<'a> {
    None,
    Bool,
    Integer(i64),
    /// An integer of more than 64 bits, little-endian.
    LongInteger(&'a [u8]),
    Text(&'a str),
    Tuple(Vec<ValueId>),
    List(Vec<ValueId>),
    Dictionary(Vec<(ValueId, ValueId)>),
    Name(GlobalName<'a>),
    Storage(Storage<'a>),
    Tensor(Box<StoredTensor<'a>>),
    /// Something of no use here: a float, a set, settings of a training.
    Skipped,
}

impl Value<'_> {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> String {
        let kind = match self {
            Self::None => "None",
            Self::Bool => "a truth value",
            Self::Integer(_) | Self::LongInteger(_) => "an integer",
            Self::Text(_) => "a text",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dictionary(_) => "a dictionary",
            Self::Name(name) => return name.to_string(),
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
            Self::Skipped => "an object",
        };
        kind.to_owned()
    }
}

/// Every value of a pickle.
#[derive(Debug, Default)]
pub(super) struct Values<'a> {
    values: Vec<Value<'a>>,
    items: usize,
}

impl<'a> Values<'a> {
    pub(super) fn add(&mut self, value: Value<'a>) -> Result<ValueId, TorchFileError> {
        if self.values.len() >= MOST_VALUES {
            return Err(TorchFileError::TooMany {
                what: "values",
                limit: MOST_VALUES,
            });
        }
        let id = ValueId(self.values.len() as u32);
        self.values.push(value);
        Ok(id)
    }

    pub(super) fn get(&self, id: ValueId) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    pub(super) fn get_mut(&mut self, id: ValueId) -> &mut Value<'a> {
        &mut self.values[id.0 as usize]
    }

    /// Notes that a container is about to hold so many items more.
    pub(super) fn count_items(&mut self, count: usize) -> Result<(), TorchFileError> {
        self.items = self.items.saturating_add(count);
        if self.items > MOST_ITEMS {
            return Err(TorchFileError::TooMany {
                what: "items",
                limit: MOST_ITEMS,
            });
        }
        Ok(())
    }
}
