//! How the prompt guides the denoiser, as a pipeline writes it.

use mitune_diffusion::guidance::{AttendAndExciteSettings, SemanticAwareSettings, StructuredForm};
use mitune_diffusion::training::objectives::Formulation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the prompt guides the denoiser; nothing is trained.
///
/// All of them guide with the `guidance` of the sampler, go with every scheduler, batch size, adapter and negative
/// prompt, and are scored alike: mutual information compares the answer with the prompt to that without one, at the
/// latents that the denoiser is asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    deny_unknown_fields,
    expecting = "a map with the `kind` of the method, such as `{kind: structured}`"
)]
pub enum GuidanceMethod {
    /// Away from the answer without the prompt, everywhere alike (Ho and Salimans 2022).
    ClassifierFree {},
    /// Latents are moved until the subjects of the prompt, the last nouns of its first four noun phrases, are attended
    /// to somewhere (Attend-and-Excite). Prompts without such nouns are sampled as with `classifier_free`. The gradient
    /// goes through the denoiser, which takes the memory of training on one image; the network is shared.
    AttendAndExcite(AttendAndExciteSettings),
    /// The noun phrases of more than one word lend their own encodings to the prompt (Structured Diffusion Guidance).
    /// Mutual information is then that of the prompt with these.
    Structured(StructuredConfig),
    /// Every part of an image is guided as strongly as its foreground (S-CFG).
    SemanticAware(SemanticAwareSettings),
}

/// What the phrases of a prompt lend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StructuredConfig {
    /// What the phrases lend their encodings to: `averaged_values` takes the mean of what tokens mean, `conjunction`
    /// that of where they go. By default, `averaged_values`.
    pub form: StructuredForm,
    /// Whose conjunction: the code of the authors (`reference`) writes the phrases into the prompt's own keys too, the
    /// `paper` does not. By default, `reference`.
    pub formulation: Formulation,
}

/// Settings of a method that contradict each other.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum GuidanceMethodError {
    #[error("Setting `guidance_method.low` is {low}, expected at most `high`, which is {high}")]
    Factors { low: f64, high: f64 },
    #[error(
        "Setting `guidance_method.finest_ratio` is {finest}, expected at most `coarsest_ratio`, which is {coarsest}"
    )]
    Ratios { finest: usize, coarsest: usize },
    #[error("Setting `guidance_method.thresholds.{place}.after` is {after}, expected from 0 to less than 1")]
    After { place: usize, after: f64 },
}

impl Default for GuidanceMethod {
    fn default() -> Self {
        Self::ClassifierFree {}
    }
}

impl GuidanceMethod {
    /// Checks that its settings go together.
    pub(super) fn check(&self) -> Result<(), GuidanceMethodError> {
        match self {
            Self::ClassifierFree {} | Self::Structured(_) => Ok(()),
            Self::AttendAndExcite(settings) => {
                let mut thresholds = settings.thresholds.iter().enumerate();
                match thresholds.find(|(_, threshold)| !(0.0..1.0).contains(&threshold.after)) {
                    Some((place, threshold)) => Err(GuidanceMethodError::After {
                        place,
                        after: threshold.after,
                    }),
                    None => Ok(()),
                }
            }
            &Self::SemanticAware(SemanticAwareSettings {
                low,
                high,
                finest_ratio: finest,
                coarsest_ratio: coarsest,
                ..
            }) => {
                if low > high {
                    return Err(GuidanceMethodError::Factors { low, high });
                }
                match finest > coarsest {
                    true => Err(GuidanceMethodError::Ratios { finest, coarsest }),
                    false => Ok(()),
                }
            }
        }
    }

    /// Whether it is the default, which keys leave out.
    pub fn is_classifier_free(&self) -> bool {
        matches!(self, Self::ClassifierFree {})
    }

    /// The name in settings.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ClassifierFree {} => "classifier_free",
            Self::AttendAndExcite(_) => "attend_and_excite",
            Self::Structured(_) => "structured",
            Self::SemanticAware(_) => "semantic_aware",
        }
    }

    /// What it looks for in a prompt, in the plural.
    pub(super) fn looks_for(&self) -> Option<&'static str> {
        match self {
            Self::AttendAndExcite(_) => Some("nouns"),
            Self::Structured(_) => Some("phrases"),
            Self::ClassifierFree {} | Self::SemanticAware(_) => None,
        }
    }

    /// Whether noise may come from another source than the counter: where the steps are those of a plain run.
    pub(super) fn takes_any_noise(&self) -> bool {
        matches!(self, Self::ClassifierFree {} | Self::Structured(_))
    }

    /// What it costs beside the steps, in steps: a pass with a gradient takes about as long as three, and a step has two.
    pub(super) fn further_steps(&self, steps: usize) -> f64 {
        match self {
            Self::AttendAndExcite(settings) => 1.5 * settings.least_evaluations(steps) as f64,
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use mitune_store::Value;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::generate::GenerateConfig;
    use crate::testing::trial::{Trial, with};

    fn read(settings: Json) -> Result<GuidanceMethod, serde_json::Error> {
        serde_json::from_value(settings)
    }

    #[test]
    fn a_text_is_no_method() {
        let error = read(json!("structured")).unwrap_err().to_string();
        assert!(error.contains("such as `{kind: structured}`"), "{error}");
    }

    #[test]
    fn a_kind_alone_has_the_defaults() {
        for (kind, expected) in [
            ("classifier_free", GuidanceMethod::default()),
            (
                "attend_and_excite",
                GuidanceMethod::AttendAndExcite(AttendAndExciteSettings::default()),
            ),
            (
                "structured",
                GuidanceMethod::Structured(StructuredConfig::default()),
            ),
            (
                "semantic_aware",
                GuidanceMethod::SemanticAware(SemanticAwareSettings::default()),
            ),
        ] {
            let method = read(json!({"kind": kind})).unwrap();
            assert_eq!(method, expected);
            assert_eq!(method.name(), kind);
            let written = serde_json::to_value(&method).unwrap();
            assert_eq!(written["kind"], kind);
            assert_eq!(read(written).unwrap(), method);
        }
    }

    #[test]
    fn settings_of_another_kind_are_refused() {
        for wrong in [
            json!({"kind": "classifier_free", "scale": 20}),
            json!({"kind": "structured", "scale": 20}),
            json!({"kind": "semantic_aware", "form": "conjunction"}),
            json!({"kind": "attend_and_excite", "cap": 15}),
            json!({"kind": "attend"}),
            json!({"scale": 20}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let mut trial = Trial::new();
        trial.defaults.model = Some("model".into());
        for (method, told) in [
            (
                json!({"kind": "semantic_aware", "low": 4, "high": 3}),
                "`guidance_method.low` is 4, expected at most `high`, which is 3",
            ),
            (
                json!({"kind": "semantic_aware", "finest_ratio": 16}),
                "`guidance_method.finest_ratio` is 16, expected at most `coarsest_ratio`, which is 8",
            ),
            (
                json!({"kind": "attend_and_excite", "thresholds": [{"after": 1, "attention": 0.5}]}),
                "`guidance_method.thresholds.0.after` is 1, expected from 0 to less than 1",
            ),
        ] {
            let settings = json!({"prompts": "p", "guidance_method": method});
            let error = trial.stage::<GenerateConfig>(settings).map(drop).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
    }

    #[test]
    fn the_default_is_in_no_key_and_everything_else_is() {
        let mut trial = Trial::new();
        trial.defaults.model = Some("model".into());
        let base = json!({"prompts": "p"});
        let method = |method: Json| ("guidance_method", method);
        let plain = [method(json!({"kind": "classifier_free"}))];
        trial.assert_not_keyed::<GenerateConfig>(&base, &plain);
        let keyed = trial
            .stage::<GenerateConfig>(base.clone())
            .unwrap()
            .config()
            .unwrap();
        assert!(matches!(&keyed, Value::Map(fields) if !fields.contains_key("guidance_method")));
        trial.assert_keyed::<GenerateConfig>(
            &base,
            &[
                method(json!({"kind": "attend_and_excite"})),
                method(json!({"kind": "attend_and_excite", "scale": 10})),
                method(json!({"kind": "attend_and_excite", "attention_ratio": 2})),
                method(
                    json!({"kind": "attend_and_excite", "thresholds": [{"after": 0.5, "attention": 0.5}]}),
                ),
                method(json!({"kind": "structured"})),
                method(json!({"kind": "structured", "form": "conjunction"})),
                method(json!({"kind": "structured", "formulation": "paper"})),
                method(json!({"kind": "semantic_aware"})),
                method(json!({"kind": "semantic_aware", "formulation": "paper"})),
                method(json!({"kind": "semantic_aware", "low": 0.5})),
            ],
        );
        // Whoever changes where nouns are found changes these candidates.
        let of = |kind: &str| {
            let settings = with(&base, "guidance_method", &json!({"kind": kind}));
            trial.stage::<GenerateConfig>(settings).unwrap().config().unwrap()
        };
        for (kind, looks) in [
            ("attend_and_excite", true),
            ("structured", true),
            ("semantic_aware", false),
        ] {
            let Value::Map(fields) = of(kind) else {
                panic!("{kind}");
            };
            assert_eq!(fields.contains_key("noun_phrases"), looks, "{kind}");
        }
    }
}
