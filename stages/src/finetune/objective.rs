//! What a fine-tuning minimizes, as settings.

use mitune_diffusion::model::DenoisingNetwork;
use mitune_diffusion::training::objectives::{
    ContrastWeight, DiffusionDpo, DiffusionRpo, Divergence, FDivergenceDpo, Formulation, Gors, HardNegatives,
    NegativeError, SupervisedFineTuning,
};
use mitune_diffusion::training::{Denoising, Objective};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::setting_defaults::{fraction, whole};

/// What a fine-tuning minimizes.
///
/// No other setting changes its default with it: those of a method's paper are told beside the method, for a pipeline
/// to write.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    deny_unknown_fields,
    expecting = "a map with the `kind` of the objective, such as `{kind: dpo}`"
)]
pub enum ObjectiveConfig {
    /// The error of the prediction on `selection`, every image alike. The default, MI-TUNE's.
    Denoising {},
    /// Supervised fine-tuning: the same on the preferred image of each of `pairs`, which shows how much of a preference
    /// method is in the winners alone. The code of Diffusion-DPO takes all timesteps and a `caption_dropout` of 0.2.
    Sft {},
    /// GORS (arXiv 2307.06350): the same on the images of `weights`, each times its weight. The paper takes all
    /// timesteps, rank 4 and a learning rate of 1e-4.
    Gors {},
    /// Diffusion-DPO (arXiv 2311.12908): the likelihood that the preferred image of each of `pairs` wins. The paper
    /// takes all timesteps, a `caption_dropout` of 0.2, 2000 updates of 2048 pairs and a warm-up of 500 updates; its
    /// learning rate is 2.048e-8 times 2000 / `beta`, its code's is 2.048e-5.
    Dpo {
        /// How strongly preferences pull away from the reference, before half a difference of mean errors. By default,
        /// 5000.
        #[serde(default = "whole::<f64, 5000>")]
        beta: f64,
    },
    /// DPO on `pairs` under another divergence from the reference (arXiv 2309.16240, 2409.09774). With the defaults it
    /// is `dpo`, whose settings the papers keep.
    FDpo {
        /// The divergence. By default, `reverse_kl`.
        #[serde(default)]
        divergence: DivergenceName,
        /// The order of the divergence `alpha`, from 0.001 on. By default, 0.5 for this divergence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alpha: Option<f64>,
        /// The weight of the divergence against the reward. By default, 1.
        #[serde(default = "whole::<f64, 1>")]
        beta: f64,
        /// What half a difference of mean errors is multiplied with to be the logarithm of a ratio of likelihoods.
        /// Under `reverse_kl` only its product with `beta` counts. By default, 5000.
        #[serde(default = "whole::<f64, 5000>")]
        scale: f64,
    },
    /// Diffusion-RPO (arXiv 2406.06382): the preferred image of each of `pairs` against the rejected ones of all pairs
    /// of its micro-batch, by the likeness of their `features`: image and text features, each of length 1, side by
    /// side. With a `micro_batch` of 1 it is `dpo`. The paper takes micro-batches of 16, otherwise the settings of
    /// Diffusion-DPO.
    Rpo {
        /// How strongly preferences pull away from the reference. By default, 2000, the paper's for SD 1.5; it has 5000
        /// for SDXL and for styles.
        #[serde(default = "whole::<f64, 2000>")]
        beta: f64,
        /// How much less unlike pairs count: near 0 only the most similar loser counts, far above 1 all count alike. By
        /// default, 0.01, the paper's for SD 1.5; it has 0.5 for SDXL.
        #[serde(default = "fraction::<1, 100>")]
        tau: f64,
        /// Where the weight of a contrast stands. By default, `outside`.
        #[serde(default)]
        weight: ContrastWeight,
    },
    /// HN-ITM (arXiv 2305.16397): the error on matched images and prompts of `contrasts` less that on mismatched ones.
    /// The code mixes the kinds of negatives batch by batch, here each row of the table has its own. It takes all
    /// timesteps, rank 4, a learning rate of 1e-4 and batches of 16.
    HnItm {
        /// How many times the matched error the mismatched one counts at most; null is without bound, which does not
        /// train for long. By default, 1.
        #[serde(default = "unit_cap")]
        cap: Option<f64>,
        /// What the prediction for the mismatched image or prompt is compared with. By default, `target`.
        #[serde(default)]
        negative: NegativeError,
        /// Whether the bound is that of each row, as in the paper, or of the means of the micro-batch, as in the code.
        /// By default, `reference`.
        #[serde(default)]
        formulation: Formulation,
    },
}

/// A divergence from the reference by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DivergenceName {
    /// That of Diffusion-DPO. The default.
    #[default]
    ReverseKl,
    /// The forward KL, which is `alpha` of order 1.
    ForwardKl,
    /// Jensen-Shannon, whose reward is bounded above.
    JensenShannon,
    /// Between the reverse KL near order 0 and the forward KL at 1.
    Alpha,
}

/// How often the denoiser is evaluated for one example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evaluations {
    /// In all, that of the reference included.
    pub(super) all: u64,
    /// Those that gradients go through.
    pub(super) with_gradient: u64,
}

/// A number of an objective, what it may be, and whether it is that.
pub(super) type CheckedSetting = (&'static str, f64, &'static str, bool);

impl Default for ObjectiveConfig {
    fn default() -> Self {
        Self::Denoising {}
    }
}

impl ObjectiveConfig {
    /// Order of the divergence `alpha` where none is set.
    const ALPHA: f64 = 0.5;

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The name after `kind:`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Denoising {} => "denoising",
            Self::Sft {} => "sft",
            Self::Gors {} => "gors",
            Self::Dpo { .. } => "dpo",
            Self::FDpo { .. } => "f_dpo",
            Self::Rpo { .. } => "rpo",
            Self::HnItm { .. } => "hn_itm",
        }
    }

    /// Fills in what depends on other settings.
    pub(super) fn fill_in(&mut self) {
        if let Self::FDpo {
            divergence: DivergenceName::Alpha,
            alpha,
            ..
        } = self
        {
            alpha.get_or_insert(Self::ALPHA);
        }
    }

    /// Whether an order is set for a divergence that has none.
    pub(super) fn has_needless_alpha(&self) -> bool {
        match self {
            Self::FDpo {
                divergence, alpha, ..
            } => alpha.is_some() && *divergence != DivergenceName::Alpha,
            _ => false,
        }
    }

    /// Its numbers with what they may be.
    pub(super) fn numbers(&self) -> Vec<CheckedSetting> {
        let positive = |name, value: f64| (name, value, "a positive number", value > 0.0);
        match *self {
            Self::Denoising {} | Self::Sft {} | Self::Gors {} => Vec::new(),
            Self::Dpo { beta } => vec![positive("objective.beta", beta)],
            Self::FDpo {
                alpha, beta, scale, ..
            } => vec![
                positive("objective.alpha", alpha.unwrap_or(Self::ALPHA)),
                positive("objective.beta", beta),
                positive("objective.scale", scale),
            ],
            Self::Rpo { beta, tau, .. } => {
                vec![positive("objective.beta", beta), positive("objective.tau", tau)]
            }
            Self::HnItm { cap, .. } => vec![positive("objective.cap", cap.unwrap_or(1.0))],
        }
    }

    /// Names of what it reports besides the loss, whatever its settings.
    pub(super) fn curves(&self) -> &'static [&'static str] {
        match self {
            Self::Denoising {} => names(&Denoising),
            Self::Sft {} => names(&SupervisedFineTuning),
            Self::Gors {} => names(&Gors),
            Self::Dpo { .. } => names(&DiffusionDpo::default()),
            Self::FDpo { .. } => names(&FDivergenceDpo::default()),
            Self::Rpo { .. } => names(&DiffusionRpo::default()),
            Self::HnItm { .. } => names(&HardNegatives::default()),
        }
    }

    /// How often the denoiser is evaluated for one example: an image, a pair or a contrast.
    pub(super) fn evaluations(&self) -> Evaluations {
        let (all, with_gradient) = match self {
            Self::Denoising {} | Self::Sft {} | Self::Gors {} => (1, 1),
            Self::Dpo { .. } | Self::FDpo { .. } | Self::Rpo { .. } => (4, 2),
            Self::HnItm { .. } => (2, 2),
        };
        Evaluations { all, with_gradient }
    }
}

impl DivergenceName {
    /// The divergence; `alpha` is the order of the one that has such.
    pub(super) fn divergence(self, alpha: Option<f64>) -> Divergence {
        match self {
            Self::ReverseKl => Divergence::ReverseKl,
            Self::ForwardKl => Divergence::ForwardKl,
            Self::JensenShannon => Divergence::JensenShannon,
            Self::Alpha => Divergence::Alpha {
                alpha: alpha.unwrap_or(ObjectiveConfig::ALPHA),
            },
        }
    }
}

impl Evaluations {
    /// The work in evaluations with gradient, of which one without is about a third.
    pub(super) fn effort(self) -> f64 {
        self.with_gradient as f64 + (self.all - self.with_gradient) as f64 / 3.0
    }
}

fn names<O: Objective<DenoisingNetwork>>(objective: &O) -> &'static [&'static str] {
    objective.curves()
}

fn unit_cap() -> Option<f64> {
    Some(1.0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn read(settings: Json) -> Result<ObjectiveConfig, String> {
        serde_json::from_value(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_is_read_with_its_defaults_and_written_in_full() {
        for (kind, written) in [
            ("denoising", json!({"kind": "denoising"})),
            ("sft", json!({"kind": "sft"})),
            ("gors", json!({"kind": "gors"})),
            ("dpo", json!({"kind": "dpo", "beta": 5000.0})),
            (
                "f_dpo",
                json!({"kind": "f_dpo", "divergence": "reverse_kl", "beta": 1.0, "scale": 5000.0}),
            ),
            (
                "rpo",
                json!({"kind": "rpo", "beta": 2000.0, "tau": 0.01, "weight": "outside"}),
            ),
            (
                "hn_itm",
                json!({"kind": "hn_itm", "cap": 1.0, "negative": "target", "formulation": "reference"}),
            ),
        ] {
            let objective = read(json!({"kind": kind})).unwrap();
            assert_eq!(objective.name(), kind);
            assert_eq!(serde_json::to_value(objective).unwrap(), written);
            assert_eq!(read(written), Ok(objective));
        }
        let unbounded = read(json!({"kind": "hn_itm", "cap": null})).unwrap();
        assert!(matches!(unbounded, ObjectiveConfig::HnItm { cap: None, .. }));
    }

    #[test]
    fn settings_of_another_objective_are_refused() {
        for (settings, words) in [
            (json!({"kind": "denoising", "beta": 1.0}), "unknown field `beta`"),
            (json!({"kind": "sft", "beta": 1.0}), "unknown field `beta`"),
            (json!({"kind": "dpo", "tau": 1.0}), "unknown field `tau`"),
            (json!({"kind": "dpoo"}), "unknown variant `dpoo`"),
            (json!({"beta": 1.0}), "missing field `kind`"),
            (json!("dpo"), "such as `{kind: dpo}`"),
        ] {
            let error = read(settings).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_losses() {
        let default = DiffusionDpo::default();
        assert_eq!(
            read(json!({"kind": "dpo"})),
            Ok(ObjectiveConfig::Dpo { beta: default.beta })
        );
        let default = FDivergenceDpo::default();
        let found = read(json!({"kind": "f_dpo"})).unwrap();
        assert!(
            matches!(found, ObjectiveConfig::FDpo { beta, scale, .. } if beta == default.beta && scale == default.scale)
        );
        let default = DiffusionRpo::default();
        let found = read(json!({"kind": "rpo"})).unwrap();
        assert!(
            matches!(found, ObjectiveConfig::Rpo { beta, tau, .. } if beta == default.beta && tau == default.tau)
        );
    }

    #[test]
    fn the_order_of_a_divergence_is_written_where_it_counts() {
        let mut objective = read(json!({"kind": "f_dpo", "divergence": "alpha"})).unwrap();
        objective.fill_in();
        assert_eq!(serde_json::to_value(objective).unwrap()["alpha"], json!(0.5));
        assert!(!objective.has_needless_alpha());
        let odd = read(json!({"kind": "f_dpo", "alpha": 0.5})).unwrap();
        assert!(odd.has_needless_alpha());
    }
}
