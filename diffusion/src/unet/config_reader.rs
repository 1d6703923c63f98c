//! Takes the fields of a diffusers configuration one by one, so that none is overlooked.

use serde_json::{Map, Value};

use super::config::UNetConfigError;

/// Fields not yet accounted for.
pub(super) struct ConfigReader {
    fields: Map<String, Value>,
}

impl ConfigReader {
    pub(super) fn new(fields: Map<String, Value>) -> Self {
        Self { fields }
    }

    /// Takes a field; an absent one is `default`.
    ///
    /// `read` returns nothing for a value that is not `supported`.
    pub(super) fn take<T>(
        &mut self,
        field: &str,
        supported: &str,
        default: T,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, UNetConfigError> {
        match self.fields.remove(field) {
            None => Ok(default),
            Some(value) => read(&value).ok_or_else(|| unsupported(field, &value, supported)),
        }
    }

    /// Takes a field without a default.
    pub(super) fn take_required<T>(
        &mut self,
        field: &str,
        supported: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, UNetConfigError> {
        let value = self.fields.remove(field).unwrap_or(Value::Null);
        read(&value).ok_or_else(|| unsupported(field, &value, supported))
    }

    /// Takes a field that is one value for all levels or a list with one per level.
    pub(super) fn take_per_level<T: Clone>(
        &mut self,
        field: &str,
        supported: &str,
        default: T,
        levels: usize,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, UNetConfigError> {
        let value = self.fields.remove(field);
        let Some(Value::Array(entries)) = &value else {
            let one = match &value {
                None => default,
                Some(value) => read(value).ok_or_else(|| {
                    let supported = format!("{supported}, or a list of them,");
                    unsupported(field, value, &supported)
                })?,
            };
            return Ok(vec![one; levels]);
        };
        if entries.len() != levels {
            return Err(UNetConfigError::LevelCount {
                field: field.to_owned(),
                found: entries.len(),
                expected: levels,
            });
        }
        let entry = |value| read(value).ok_or_else(|| unsupported(field, value, supported));
        entries.iter().map(entry).collect()
    }

    /// Takes a field that is only a list.
    pub(super) fn take_list<T>(
        &mut self,
        field: &str,
        supported: &str,
        default: Vec<T>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, UNetConfigError> {
        let supported = format!("a list of {supported}");
        self.take(field, &supported, default, |value| {
            value.as_array()?.iter().map(&read).collect()
        })
    }

    /// Takes a field of a feature that is not implemented and may only be switched off.
    pub(super) fn refuse(&mut self, field: &str, off: &[Value]) -> Result<(), UNetConfigError> {
        let names: Vec<String> = off.iter().map(|value| format!("`{value}`")).collect();
        self.take(field, &names.join(" or "), (), |value| {
            off.contains(value).then_some(())
        })
    }

    /// Drops a field that cannot change the result.
    pub(super) fn ignore(&mut self, field: &str) {
        self.fields.remove(field);
    }

    /// Fails if a field is left; names that begin with an underscore are diffusers' bookkeeping.
    pub(super) fn finish(self) -> Result<(), UNetConfigError> {
        let left = |(name, _): &(String, Value)| !name.starts_with('_');
        match self.fields.into_iter().find(left) {
            None => Ok(()),
            Some((field, value)) => Err(UNetConfigError::Unknown {
                field,
                found: value.to_string(),
            }),
        }
    }
}

fn unsupported(field: &str, found: &Value, supported: &str) -> UNetConfigError {
    UNetConfigError::Unsupported {
        field: field.to_owned(),
        found: found.to_string(),
        supported: supported.to_owned(),
    }
}
