use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::patterns::Patterns;
use super::saved::SavedLayer;
use super::{AdapterError, AdapterMethod, SavedAdapter};

/// Key under which diffusers keeps the PEFT config in a safetensors header.
pub(super) const METADATA: &str = "lora_adapter_metadata";

const RANKS: &str = "rank_pattern";
const ALPHAS: &str = "alpha_pattern";

/// What the PEFT config of a file says about the meaning of its tensors.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Settings {
    rank: Option<usize>,
    alpha: Option<f64>,
    pub(super) dora: Option<bool>,
    ranks: Patterns,
    alphas: Patterns,
    /// Whether the scale is `alpha / sqrt(rank)`.
    root: bool,
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
        for key in ["fan_in_fan_out", "lora_bias"] {
            if let Some(found) = get(key).filter(|value| *value != &json!(false)) {
                return Err(setting(key, found, "`false`"));
            }
        }
        let truth = |key| read(get(key), key, "true or false", Value::as_bool);
        let number = |value: &Value| value.as_f64().filter(|number| number.is_finite());
        Ok(Self {
            rank: read(get("r"), "r", "a positive whole number", positive)?,
            alpha: read(get("lora_alpha"), "lora_alpha", "a number", number)?,
            dora: truth("use_dora")?,
            ranks: Patterns::parse(RANKS, get(RANKS))?,
            alphas: Patterns::parse(ALPHAS, get(ALPHAS))?,
            root: truth("use_rslora")?.unwrap_or(false),
        })
    }

    /// Checks the rank of a layer's tensors against what the settings say.
    pub(super) fn check_rank(&self, layer: &str, found: usize) -> Result<(), AdapterError> {
        let pattern = self.ranks.find(RANKS, layer)?;
        match pattern.or(self.rank.map(|rank| rank as f64)) {
            Some(expected) if expected != found as f64 => Err(AdapterError::Rank {
                layer: layer.to_owned(),
                expected: expected as usize,
                found,
            }),
            _ => Ok(()),
        }
    }

    /// Alpha of a layer, such that its scale is `alpha / rank`.
    pub(super) fn alpha_of(&self, layer: &str, rank: usize) -> Result<Option<f64>, AdapterError> {
        let alpha = self.alphas.find(ALPHAS, layer)?.or(self.alpha);
        let factor = if self.root { (rank as f64).sqrt() } else { 1.0 };
        Ok(alpha.map(|alpha| alpha * factor))
    }
}

/// The PEFT config that describes an adapter, without a prefix.
pub(super) fn settings_map(adapter: &SavedAdapter) -> BTreeMap<&'static str, Value> {
    let rank = most_common(adapter, |layer| layer.rank);
    let alpha = most_common(adapter, |layer| layer.alpha);
    let others = |differs: &dyn Fn(&SavedLayer) -> Option<Value>| {
        let entry = |(name, layer): (&String, &SavedLayer)| Some((name.clone(), differs(layer)?));
        Value::Object(adapter.layers.iter().filter_map(entry).collect())
    };
    BTreeMap::from([
        ("peft_type", json!("LORA")),
        ("r", json!(rank)),
        ("lora_alpha", json!(alpha)),
        ("use_dora", json!(adapter.method == AdapterMethod::Dora)),
        ("use_rslora", json!(false)),
        (
            RANKS,
            others(&|layer| (Some(layer.rank) != rank).then(|| json!(layer.rank))),
        ),
        (
            ALPHAS,
            others(&|layer| (Some(layer.alpha) != alpha).then(|| json!(layer.alpha))),
        ),
        ("bias", json!("none")),
        ("target_modules", json!(adapter.layers.keys().collect::<Vec<_>>())),
    ])
}

/// The value that most layers have, the first of them if several are as common.
fn most_common<T: PartialEq + Copy>(adapter: &SavedAdapter, value: impl Fn(&SavedLayer) -> T) -> Option<T> {
    let mut counts: Vec<(T, usize)> = Vec::new();
    for value in adapter.layers.values().map(value) {
        match counts.iter_mut().find(|(known, _)| *known == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts
        .into_iter()
        .find(|(_, count)| *count == most)
        .map(|(value, _)| value)
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
        for text in [
            r#"{"unet.r": 4, "unet.lora_alpha": 8, "unet.use_dora": true, "text_encoder.r": 9}"#,
            r#"{"r": 4, "lora_alpha": 8.0, "use_dora": true, "use_rslora": null}"#,
        ] {
            let settings = Settings::parse(Some(text), "unet").unwrap();
            assert_eq!(
                (settings.rank, settings.alpha, settings.dora),
                (Some(4), Some(8.0), Some(true))
            );
        }
        assert_eq!(Settings::parse(None, "unet").unwrap(), Settings::default());
    }

    #[test]
    fn patterns_are_whole_names_or_last_parts() {
        let text = r#"{"r": 4, "lora_alpha": 8, "rank_pattern": {"attn1.to_q": 2, "^ff.net.2": 6},
            "alpha_pattern": {"to_q": 3, "mid\\.attn1\\.to_q": 3.0}}"#;
        let settings = Settings::parse(Some(text), "unet").unwrap();
        assert!(settings.check_rank("mid.attn1.to_q", 2).is_ok());
        assert!(settings.check_rank("mid.attn2.to_q", 4).is_ok());
        assert!(settings.check_rank("ff.net.2", 6).is_ok());
        let message = settings.check_rank("mid.ff.net.2", 6).unwrap_err().to_string();
        assert!(message.contains("rank 6, expected 4"), "{message}");
        assert_eq!(settings.alpha_of("mid.attn1.to_q", 2).unwrap(), Some(3.0));
        assert_eq!(settings.alpha_of("mid.attn1.not_to_q", 2).unwrap(), Some(8.0));
        let root = Settings::parse(Some(r#"{"lora_alpha": 8, "use_rslora": true}"#), "unet").unwrap();
        assert_eq!(root.alpha_of("x", 16).unwrap(), Some(32.0));
        let both = r#"{"alpha_pattern": {"to_q": 3, "attn1.to_q": 4}}"#;
        let error = Settings::parse(Some(both), "unet")
            .unwrap()
            .alpha_of("attn1.to_q", 2)
            .unwrap_err();
        assert!(error.to_string().contains("agree"), "{error}");
    }

    #[test]
    fn settings_that_change_the_meaning_are_refused() {
        for (text, words) in [
            (r#"{"lora_bias": true}"#, "`lora_bias` is `true`"),
            (r#"{"unet.alpha_pattern": {"to_[qk]": 2}}"#, "to_[qk]"),
            (r#"{"unet.alpha_pattern": {"to_q": "two"}}"#, "two"),
            (r#"{"r": 0}"#, "`r` is `0`"),
            (r#"{"r": 1.5}"#, "`r` is `1.5`"),
            ("[", "not valid JSON"),
        ] {
            let message = Settings::parse(Some(text), "unet").unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
