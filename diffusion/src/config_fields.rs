//! Takes the fields of a configuration one by one, and decides about those that nobody takes.
//!
//! Every configuration of a model, of a scheduler and of an adapter goes through here, so that they are all read alike:
//! a field that would change the result and is not supported is an error that names it and its value, and one that
//! changes nothing is passed over.

use serde_json::{Map, Value};

/// A configuration that asks for something that is not supported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// A field has a value of a model that is not implemented.
    #[error("Field `{field}` is `{found}`, but only {supported} is supported")]
    Unsupported {
        /// Name in the file.
        field: String,
        /// Value in the file, as JSON.
        found: String,
        /// The values that work.
        supported: String,
    },
    /// A later version of the library that wrote the file may have given a field its meaning.
    #[error(
        "Field `{field}` is unknown, and its value `{found}` may change the result: the file is of {writer}, later than \
         what is known here"
    )]
    Unknown {
        /// Name in the file.
        field: String,
        /// Value in the file, as JSON.
        found: String,
        /// The library and its version.
        writer: String,
    },
    /// A list has not one entry per level.
    #[error("Field `{field}` has {found} entries, `block_out_channels` has {expected}")]
    LevelCount {
        /// Name in the file.
        field: String,
        /// Entries in the file.
        found: usize,
        /// Number of levels.
        expected: usize,
    },
}

/// A library that writes configurations, and the last version whose every field is known here.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    name: &'static str,
    /// Field in which it says its version.
    version_field: &'static str,
    known: (u64, u64),
}

/// diffusers, which writes the configurations of image models.
pub const DIFFUSERS: Writer = Writer {
    name: "diffusers",
    version_field: "_diffusers_version",
    known: (0, 42),
};

/// transformers, which writes those of text models and judges.
pub const TRANSFORMERS: Writer = Writer {
    name: "transformers",
    version_field: "transformers_version",
    known: (5, 24),
};

/// PEFT, which writes those of adapters.
pub const PEFT: Writer = Writer {
    name: "PEFT",
    version_field: "peft_version",
    known: (0, 21),
};

/// Fields not yet accounted for.
pub struct ConfigFields {
    fields: Map<String, Value>,
    writer: Writer,
}

impl ConfigFields {
    /// Takes over the fields of a file that `writer` has written.
    pub fn new(fields: Map<String, Value>, writer: Writer) -> Self {
        Self { fields, writer }
    }

    /// Takes a field; an absent one is `default`.
    ///
    /// `read` returns nothing for a value that is not `supported`.
    pub fn take<T>(
        &mut self,
        field: &str,
        supported: &str,
        default: T,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, SettingError> {
        match self.fields.remove(field) {
            None => Ok(default),
            Some(value) => read(&value).ok_or_else(|| unsupported(field, &value, supported)),
        }
    }

    /// Takes a field without a default.
    pub fn take_required<T>(
        &mut self,
        field: &str,
        supported: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, SettingError> {
        let value = self.fields.remove(field).unwrap_or(Value::Null);
        read(&value).ok_or_else(|| unsupported(field, &value, supported))
    }

    /// Takes a field that may be absent or null.
    pub fn take_optional<T>(
        &mut self,
        field: &str,
        supported: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, SettingError> {
        self.take(field, supported, None, |value| match value {
            Value::Null => Some(None),
            value => read(value).map(Some),
        })
    }

    /// Takes a field that is one value for all levels or a list with one per level.
    pub fn take_per_level<T: Clone>(
        &mut self,
        field: &str,
        supported: &str,
        default: T,
        levels: usize,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, SettingError> {
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
            return Err(SettingError::LevelCount {
                field: field.to_owned(),
                found: entries.len(),
                expected: levels,
            });
        }
        let entry = |value| read(value).ok_or_else(|| unsupported(field, value, supported));
        entries.iter().map(entry).collect()
    }

    /// Takes a field that is only a list.
    pub fn take_list<T>(
        &mut self,
        field: &str,
        supported: &str,
        default: Vec<T>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, SettingError> {
        let supported = format!("a list of {supported}");
        self.take(field, &supported, default, |value| {
            value.as_array()?.iter().map(&read).collect()
        })
    }

    /// Takes a field of a feature that is not implemented and may only be switched off.
    pub fn refuse(&mut self, field: &str, off: &[Value]) -> Result<(), SettingError> {
        let names: Vec<String> = off.iter().map(|value| format!("`{value}`")).collect();
        self.take(field, &names.join(" or "), (), |value| {
            off.contains(value).then_some(())
        })
    }

    /// Drops fields that cannot change the result.
    pub fn ignore(&mut self, fields: &[&str]) {
        self.fields.retain(|field, _| !fields.contains(&field.as_str()));
    }

    /// Decides about every field that is left.
    ///
    /// The classes that these files are for drop what they do not know, so a field that no known version knows changes
    /// nothing in any of them. Only one that a later version wrote may: it is an error, unless its value says that
    /// whatever it is about is absent or off. Names that begin with an underscore are bookkeeping.
    pub fn finish(mut self) -> Result<(), SettingError> {
        let Some(version) = self.later_version() else {
            return Ok(());
        };
        self.fields.remove(self.writer.version_field);
        let effective = |(name, value): &(String, Value)| !name.starts_with('_') && !is_off(value);
        match self.fields.into_iter().find(effective) {
            None => Ok(()),
            Some((field, value)) => Err(SettingError::Unknown {
                field,
                found: value.to_string(),
                writer: format!("{} {version}", self.writer.name),
            }),
        }
    }

    /// The version of the library that wrote the file, if it is later than the last one known.
    fn later_version(&self) -> Option<String> {
        let version = self.fields.get(self.writer.version_field)?.as_str()?;
        let mut parts = version.split('.').map(|part| part.parse::<u64>().ok());
        let found = (parts.next()??, parts.next()??);
        (found > self.writer.known).then(|| version.to_owned())
    }
}

/// Whether a value says that something is absent or off.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(entries) => entries.iter().all(Value::is_null),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(true) => false,
    }
}

fn unsupported(field: &str, found: &Value, supported: &str) -> SettingError {
    SettingError::Unsupported {
        field: field.to_owned(),
        found: found.to_string(),
        supported: supported.to_owned(),
    }
}

/// A switch; published files have `null` for off.
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(false),
        value => value.as_bool(),
    }
}

/// Far more than any network has of anything, and far less than products of sizes overflow at.
const LARGEST: usize = 65_536;

/// What [`positive`] reads, in words.
pub const POSITIVE: &str = "a whole number from 1 to 65536";

/// A whole number that may be the size of something.
pub fn positive(value: &Value) -> Option<usize> {
    whole(value).filter(|number| (1..=LARGEST).contains(number))
}

/// A whole number, also written with a point, as Python writes the results of divisions.
pub fn whole(value: &Value) -> Option<usize> {
    let number = match value.as_u64() {
        Some(number) => number,
        None => value
            .as_f64()
            .filter(|number| number.fract() == 0.0 && (0.0..9e15).contains(number))? as u64,
    };
    usize::try_from(number).ok()
}

/// A finite number.
pub fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite())
}

/// A text.
pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn left(fields: Value, writer: Writer) -> Result<(), String> {
        let Value::Object(fields) = fields else { panic!() };
        ConfigFields::new(fields, writer)
            .finish()
            .map_err(|error| error.to_string())
    }

    #[test]
    fn unknown_fields_matter_only_where_a_later_version_wrote_them() {
        let unknown = json!({"some_key": 1, "_name_or_path": "/x"});
        assert_eq!(left(unknown.clone(), DIFFUSERS), Ok(()));
        for (writer, version, known) in [
            (DIFFUSERS, "0.42.1", true),
            (DIFFUSERS, "0.6.0", true),
            (DIFFUSERS, "0.43.0.dev0", false),
            (DIFFUSERS, "1.0", false),
            (DIFFUSERS, "unknown", true),
            (TRANSFORMERS, "4.57.1", true),
            (TRANSFORMERS, "6.0.0", false),
            (PEFT, "0.22.0", false),
        ] {
            let mut fields = unknown.clone();
            fields[writer.version_field] = json!(version);
            let found = left(fields.clone(), writer);
            assert_eq!(found.is_ok(), known, "{version}");
            if let Err(message) = found {
                assert!(
                    message.contains("`some_key`") && message.contains("`1`") && message.contains(version)
                );
            }
            for off in [
                json!(null),
                json!(false),
                json!([]),
                json!([null, null]),
                json!({}),
                json!(""),
                json!(0.0),
            ] {
                fields["some_key"] = off;
                assert_eq!(left(fields.clone(), writer), Ok(()));
            }
        }
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_point() {
        let values = [
            json!(3),
            json!(3.0),
            json!(3.5),
            json!(-1),
            json!("3"),
            json!(1e300),
        ];
        assert_eq!(
            values.map(|value| whole(&value)),
            [Some(3), Some(3), None, None, None, None]
        );
    }
}
