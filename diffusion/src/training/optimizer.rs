//! The choice of an optimizer, as settings write it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

use super::adafactor::Adafactor;
use super::adamw::AdamW;

/// How gradients become steps.
///
/// As settings, AdamW is written by its own fields and Adafactor as `{adafactor: {...}}`, so that trainings from before
/// there was a choice keep their keys.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "WrittenOptimizer")]
pub enum Optimizer {
    /// Two moments of every element.
    AdamW(AdamW),
    /// The second moment alone, factored.
    Adafactor(Adafactor),
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::AdamW(AdamW::default())
    }
}

impl From<AdamW> for Optimizer {
    fn from(settings: AdamW) -> Self {
        Self::AdamW(settings)
    }
}

impl From<Adafactor> for Optimizer {
    fn from(settings: Adafactor) -> Self {
        Self::Adafactor(settings)
    }
}

impl Serialize for Optimizer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AdamW(settings) => settings.serialize(serializer),
            Self::Adafactor(settings) => serializer.collect_map([("adafactor", settings)]),
        }
    }
}

impl JsonSchema for Optimizer {
    fn schema_name() -> Cow<'static, str> {
        WrittenOptimizer::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        WrittenOptimizer::json_schema(generator)
    }
}

/// The optimizer: AdamW as PyTorch defines it, with decoupled decay and epsilon outside the square root, or Adafactor
/// where its settings are given.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Optimizer")]
struct WrittenOptimizer {
    /// Decay rate of AdamW's mean of gradients. By default, this is 0.9.
    beta1: f64,
    /// Decay rate of AdamW's mean of squared gradients. By default, this is 0.999.
    beta2: f64,
    /// Added by AdamW to the root of the mean square. By default, this is 1e-8.
    epsilon: f64,
    /// Share of a weight that one update of AdamW at rate 1 would remove. By default, this is 1e-2.
    weight_decay: f64,
    /// Adafactor in place of AdamW; `{}` is Adafactor as Diffusion-DPO trains Stable Diffusion XL with it. By default,
    /// null.
    adafactor: Option<Adafactor>,
}

impl Default for WrittenOptimizer {
    fn default() -> Self {
        let AdamW {
            beta1,
            beta2,
            epsilon,
            weight_decay,
        } = AdamW::default();
        Self {
            beta1,
            beta2,
            epsilon,
            weight_decay,
            adafactor: None,
        }
    }
}

/// Settings of two optimizers at once.
#[derive(Debug, Error)]
#[error("settings of AdamW stand beside `adafactor`: leave out one or the other")]
struct TwoOptimizers;

impl TryFrom<WrittenOptimizer> for Optimizer {
    type Error = TwoOptimizers;

    fn try_from(written: WrittenOptimizer) -> Result<Self, TwoOptimizers> {
        let adamw = AdamW {
            beta1: written.beta1,
            beta2: written.beta2,
            epsilon: written.epsilon,
            weight_decay: written.weight_decay,
        };
        match written.adafactor {
            None => Ok(Self::AdamW(adamw)),
            Some(adafactor) if adamw == AdamW::default() => Ok(Self::Adafactor(adafactor)),
            Some(_) => Err(TwoOptimizers),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(written: Value) -> Result<Optimizer, String> {
        serde_json::from_value(written).map_err(|error| error.to_string())
    }

    #[test]
    fn adamw_is_written_as_before_there_was_a_choice() {
        let adamw = AdamW {
            beta1: 0.8,
            ..AdamW::default()
        };
        assert_eq!(read(json!({"beta1": 0.8})), Ok(Optimizer::AdamW(adamw)));
        assert_eq!(read(json!({})), Ok(Optimizer::default()));
        assert_eq!(json!(Optimizer::AdamW(adamw)), json!(adamw));
        assert!(
            read(json!({"beta": 0.8}))
                .unwrap_err()
                .contains("unknown field `beta`")
        );
    }

    #[test]
    fn adafactor_has_a_name_and_excludes_the_other() {
        let adafactor = Adafactor {
            clip_threshold: 2.0,
            ..Adafactor::default()
        };
        let written = json!({"adafactor": {"clip_threshold": 2.0}});
        assert_eq!(read(written), Ok(Optimizer::Adafactor(adafactor)));
        let written = json!(Optimizer::Adafactor(adafactor));
        assert_eq!(read(written.clone()), Ok(Optimizer::Adafactor(adafactor)));
        assert_eq!(written["adafactor"]["decay_rate"], json!(-0.8));
        assert!(read(json!({"adafactor": {"beta1": 0.9}})).is_err());
        let message = read(json!({"beta1": 0.8, "adafactor": {}})).unwrap_err();
        assert!(message.contains("beside `adafactor`"), "{message}");
    }
}
