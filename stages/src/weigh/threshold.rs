//! The setting `threshold`.

use std::fmt;

use mitune_diffusion::training::objectives::RewardThresholds;
use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// The score above which a candidate counts.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Threshold {
    /// The same number for every prompt.
    Same(f64),
    /// Two numbers, for prompts made from templates and for others.
    ByWording(WordingThresholds),
    /// Those of a benchmark.
    Named(NamedThresholds),
}

/// Thresholds of one list of prompts of T2I-CompBench: its lines before 560 are made from templates, the rest is natural
/// language.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WordingThresholds {
    /// For prompts made from templates.
    pub template: f64,
    /// For prompts in natural language.
    pub natural: f64,
}

/// Thresholds that others have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamedThresholds {
    /// Those that the code of T2I-CompBench has for prompts of its categories.
    T2iCompbench,
}

impl Threshold {
    /// Whether it depends on what the table of prompts says.
    pub(super) fn needs_prompts(&self) -> bool {
        !matches!(self, Self::Same(_))
    }

    /// The numbers that are written in it.
    pub(super) fn numbers(&self) -> Vec<f64> {
        match self {
            Self::Same(number) => vec![*number],
            Self::ByWording(WordingThresholds { template, natural }) => vec![*template, *natural],
            Self::Named(NamedThresholds::T2iCompbench) => Vec::new(),
        }
    }
}

impl From<WordingThresholds> for RewardThresholds {
    fn from(WordingThresholds { template, natural }: WordingThresholds) -> Self {
        Self { template, natural }
    }
}

// Not derived, because an untagged choice could not say what is wrong with a setting.
impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// A threshold as it is written.
struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = Threshold;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, `template` with `natural`, or `t2i_compbench`")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Threshold, E> {
        Ok(Threshold::Same(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Threshold, E> {
        Ok(Threshold::Same(number as f64))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Threshold, E> {
        Ok(Threshold::Same(number as f64))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Threshold, E> {
        NamedThresholds::deserialize(StrDeserializer::<E>::new(name)).map(Threshold::Named)
    }

    fn visit_map<A: MapAccess<'de>>(self, settings: A) -> Result<Threshold, A::Error> {
        WordingThresholds::deserialize(MapAccessDeserializer::new(settings)).map(Threshold::ByWording)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    #[test]
    fn a_threshold_is_written_in_three_ways() {
        let read = |written: Json| serde_json::from_value::<Threshold>(written);
        let two = WordingThresholds {
            template: 0.92,
            natural: 0.5,
        };
        for (written, expected) in [
            (json!(0.7), Threshold::Same(0.7)),
            (json!(-2.5), Threshold::Same(-2.5)),
            (
                json!({"template": 0.92, "natural": 0.5}),
                Threshold::ByWording(two),
            ),
            (
                json!("t2i_compbench"),
                Threshold::Named(NamedThresholds::T2iCompbench),
            ),
        ] {
            let found = read(written.clone()).unwrap();
            assert_eq!(found, expected);
            assert_eq!(serde_json::to_value(found).unwrap(), written);
        }
        assert_eq!(read(json!(1)).unwrap(), Threshold::Same(1.0));
        for (written, words) in [
            (
                json!("color"),
                "unknown variant `color`, expected `t2i_compbench`",
            ),
            (json!({"template": 1}), "missing field `natural`"),
            (json!({"template": 1, "natural": 1, "x": 1}), "unknown field `x`"),
            (json!(true), "expected a number, `template` with `natural`"),
        ] {
            let error = read(written).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
