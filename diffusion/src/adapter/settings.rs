use serde_json::{Map, Value, json};

use super::{AdapterError, AdapterMethod, SavedAdapter};

/// Key under which diffusers keeps the PEFT config in a safetensors header.
pub(super) const METADATA: &str = "lora_adapter_metadata";

/// What the PEFT config of a file says about the meaning of its tensors.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Settings {
    pub(super) rank: Option<usize>,
    pub(super) alpha: Option<f64>,
    pub(super) dora: Option<bool>,
}

impl Settings {
    /// Reads the settings of one component, refusing those that would change what is computed.
    pub(super) fn parse(metadata: Option<&str>, component: &str) -> Result<Self, AdapterError> {
        let Some(text) = metadata else {
            return Ok(Self::default());
        };
        let all: Map<String, Value> =
            serde_json::from_str(text).map_err(|source| AdapterError::MetadataJson {
                key: METADATA,
                source,
            })?;
        let get = |key: &str| {
            all.get(&format!("{component}.{key}"))
                .or_else(|| all.get(key))
                .filter(|value| !value.is_null())
        };
        for (key, expected, accepts) in REFUSED {
            if let Some(found) = get(key).filter(|value| !accepts(value)) {
                return Err(setting(key, found, expected));
            }
        }
        Ok(Self {
            rank: read(get("r"), "r", "a positive whole number", positive)?,
            alpha: read(get("lora_alpha"), "lora_alpha", "a number", Value::as_f64)?,
            dora: read(get("use_dora"), "use_dora", "true or false", Value::as_bool)?,
        })
    }
}

/// The PEFT config that describes an adapter.
pub(super) fn settings_json(adapter: &SavedAdapter, component: &str) -> Value {
    let settings = [
        ("peft_type", json!("LORA")),
        ("r", json!(adapter.rank)),
        ("lora_alpha", json!(adapter.alpha)),
        ("use_dora", json!(adapter.method == AdapterMethod::Dora)),
        ("use_rslora", json!(false)),
        ("rank_pattern", json!({})),
        ("alpha_pattern", json!({})),
        ("bias", json!("none")),
        ("target_modules", json!(adapter.layers.keys().collect::<Vec<_>>())),
    ];
    let prefixed = settings.map(|(key, value)| (format!("{component}.{key}"), value));
    Value::Object(prefixed.into_iter().collect())
}

type Refused = (&'static str, &'static str, fn(&Value) -> bool);

/// Settings under which the same tensors mean something else.
const REFUSED: [Refused; 5] = [
    ("use_rslora", "`false`", |value| value == &json!(false)),
    ("rank_pattern", "an empty map", is_empty_map),
    ("alpha_pattern", "an empty map", is_empty_map),
    ("fan_in_fan_out", "`false`", |value| value == &json!(false)),
    ("lora_bias", "`false`", |value| value == &json!(false)),
];

fn is_empty_map(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

fn positive(value: &Value) -> Option<usize> {
    value
        .as_u64()
        .and_then(|value| usize::try_from(value).ok())
        .filter(|value| *value > 0)
}

fn read<T>(
    value: Option<&Value>,
    key: &str,
    expected: &'static str,
    convert: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, AdapterError> {
    value
        .map(|value| convert(value).ok_or_else(|| setting(key, value, expected)))
        .transpose()
}

fn setting(key: &str, found: &Value, expected: &'static str) -> AdapterError {
    AdapterError::Setting {
        key: key.to_owned(),
        found: found.to_string(),
        expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_prefix_is_optional() {
        let expected = Settings {
            rank: Some(4),
            alpha: Some(8.0),
            dora: Some(true),
        };
        for text in [
            r#"{"unet.r": 4, "unet.lora_alpha": 8, "unet.use_dora": true, "text_encoder.r": 9}"#,
            r#"{"r": 4, "lora_alpha": 8.0, "use_dora": true, "use_rslora": null}"#,
        ] {
            assert_eq!(Settings::parse(Some(text), "unet").unwrap(), expected);
        }
        assert_eq!(Settings::parse(None, "unet").unwrap(), Settings::default());
    }

    #[test]
    fn settings_that_change_the_meaning_are_refused() {
        for (text, words) in [
            (r#"{"use_rslora": true}"#, "`use_rslora` is `true`"),
            (r#"{"unet.alpha_pattern": {"to_q": 2}}"#, "alpha_pattern"),
            (r#"{"r": 0}"#, "`r` is `0`"),
            (r#"{"r": 1.5}"#, "`r` is `1.5`"),
            ("[", "not valid JSON"),
        ] {
            let message = Settings::parse(Some(text), "unet").unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
