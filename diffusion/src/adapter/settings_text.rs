use std::collections::BTreeMap;
use std::fmt;

use super::AdapterError;
use super::ordered_json::OrderedJson;
use crate::input_file::JsonProblem;

/// Key under which diffusers keeps the PEFT config in a safetensors header.
pub(super) const METADATA: &str = "lora_adapter_metadata";

/// Where PEFT's settings of an adapter stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsPlace {
    /// In `adapter_config.json` beside the tensors.
    Beside,
    /// In the header of the file of the tensors.
    Header,
}

impl fmt::Display for SettingsPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beside => formatter.write_str("`adapter_config.json`"),
            Self::Header => write!(formatter, "`{METADATA}` of the header"),
        }
    }
}

/// PEFT's settings as they are written, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct SettingsText<'a> {
    pub(super) place: SettingsPlace,
    text: &'a str,
}

impl<'a> SettingsText<'a> {
    /// The settings beside the tensors, else those among what the header says.
    pub(super) fn of(beside: Option<&'a str>, metadata: &'a BTreeMap<String, String>) -> Option<Self> {
        let header = || Some((SettingsPlace::Header, metadata.get(METADATA)?.as_str()));
        let beside = beside.map(|text| (SettingsPlace::Beside, text));
        let (place, text) = beside.or_else(header)?;
        Some(Self { place, text })
    }

    /// The settings by name.
    ///
    /// # Errors
    /// When the text is no JSON, or a list or a single value.
    pub(super) fn parse(self) -> Result<OrderedJson, AdapterError> {
        let wrong = |source| AdapterError::Settings {
            place: self.place,
            source,
        };
        match serde_json::from_str(self.text) {
            Ok(OrderedJson::Other(other)) => Err(wrong(JsonProblem::not_an_object(&other))),
            Ok(settings) => Ok(settings),
            Err(error) => Err(wrong(JsonProblem::of(self.text, &error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let metadata = BTreeMap::from([(METADATA.to_owned(), "[1]".to_owned())]);
        for (beside, message, reason) in [
            (
                Some("{\"r\": NaN}"),
                "The settings in `adapter_config.json` cannot be read",
                "`r` is `NaN`, which is no number in JSON (line 1, column 7)",
            ),
            (
                Some("[]"),
                "The settings in `adapter_config.json` cannot be read",
                "It holds a list, expected names with their values in braces",
            ),
            (
                None,
                "The settings in `lora_adapter_metadata` of the header cannot be read",
                "It holds a list, expected names with their values in braces",
            ),
        ] {
            let error = SettingsText::of(beside, &metadata).unwrap().parse().unwrap_err();
            assert_eq!(error.to_string(), message);
            assert_eq!(error.source().unwrap().to_string(), reason);
        }
        assert!(SettingsText::of(None, &BTreeMap::new()).is_none());
    }
}
