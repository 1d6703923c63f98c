//! The objectives by name, and their settings as scripts write them.

use burn::tensor::Tensor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::{
    ContrastWeight, DiffusionDpo, DiffusionRpo, Divergence, FDivergenceDpo, Formulation, HardNegatives,
    NegativeError, gors_loss, supervised_loss,
};
use super::error::CaseError;
use super::policy_losses;
use super::tensors::CaseTensors;

/// The loss of an objective.
pub(super) fn loss(
    objective: &str,
    settings: Value,
    tensors: &CaseTensors<'_>,
) -> Result<Tensor<1>, CaseError> {
    if let Some(divergence) = objective.strip_prefix("f-dpo-") {
        return f_divergence_dpo(objective, divergence, read(objective, settings)?, tensors);
    }
    match objective {
        "sft" => supervised(read(objective, settings)?, tensors),
        "gors" => gors(read(objective, settings)?, tensors),
        "diffusion-dpo" => diffusion_dpo(read(objective, settings)?, tensors),
        "rpo" => diffusion_rpo(read(objective, settings)?, tensors),
        "hn-itm" => hard_negatives(read(objective, settings)?, tensors),
        "dpok" => policy_losses::dpok(read(objective, settings)?, tensors),
        "ddpo" => policy_losses::ddpo(read(objective, settings)?, tensors),
        _ => Err(unknown(objective)),
    }
}

fn unknown(objective: &str) -> CaseError {
    CaseError::Objective {
        name: objective.to_owned(),
    }
}

fn read<T: DeserializeOwned>(objective: &str, settings: Value) -> Result<T, CaseError> {
    serde_json::from_value(settings).map_err(|source| CaseError::Settings {
        objective: objective.to_owned(),
        source,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoSettings {}

fn supervised(NoSettings {}: NoSettings, tensors: &CaseTensors<'_>) -> Result<Tensor<1>, CaseError> {
    Ok(supervised_loss(
        tensors.latents("prediction")?,
        tensors.latents("target")?,
    ))
}

fn gors(NoSettings {}: NoSettings, tensors: &CaseTensors<'_>) -> Result<Tensor<1>, CaseError> {
    let (prediction, target) = (tensors.latents("prediction")?, tensors.latents("target")?);
    Ok(gors_loss(prediction, target, tensors.get("reward")?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DpoSettings {
    beta: Option<f64>,
}

fn diffusion_dpo(settings: DpoSettings, tensors: &CaseTensors<'_>) -> Result<Tensor<1>, CaseError> {
    let [winners, losers] = tensors.pairs()?;
    let beta = settings.beta.unwrap_or(DiffusionDpo::default().beta);
    Ok(DiffusionDpo { beta }.loss(winners, losers))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FDivergenceSettings {
    divergence: Option<String>,
    beta: Option<f64>,
    scale: Option<f64>,
    alpha: Option<f64>,
}

fn f_divergence_dpo(
    objective: &str,
    divergence: &str,
    settings: FDivergenceSettings,
    tensors: &CaseTensors<'_>,
) -> Result<Tensor<1>, CaseError> {
    if let Some(found) = settings.divergence.filter(|found| found != divergence) {
        let objective = objective.to_owned();
        return Err(CaseError::Divergence { objective, found });
    }
    let divergence = match divergence {
        "rkl" => Divergence::ReverseKl,
        "fkl" => Divergence::ForwardKl,
        "js" => Divergence::JensenShannon,
        "alpha" => Divergence::Alpha {
            alpha: settings.alpha.unwrap_or(0.5),
        },
        _ => return Err(unknown(objective)),
    };
    let default = FDivergenceDpo::default();
    let [winners, losers] = tensors.pairs()?;
    let objective = FDivergenceDpo {
        divergence,
        beta: settings.beta.unwrap_or(default.beta),
        scale: settings.scale.unwrap_or(default.scale),
    };
    Ok(objective.loss(winners, losers))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RpoSettings {
    beta: Option<f64>,
    tau: Option<f64>,
    #[serde(default)]
    weight: WeightName,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum WeightName {
    #[default]
    Outside,
    Inside,
}

fn diffusion_rpo(settings: RpoSettings, tensors: &CaseTensors<'_>) -> Result<Tensor<1>, CaseError> {
    let default = DiffusionRpo::default();
    let [winners, losers] = tensors.pairs()?;
    let features = [tensors.get("features_winner")?, tensors.get("features_loser")?];
    let objective = DiffusionRpo {
        beta: settings.beta.unwrap_or(default.beta),
        tau: settings.tau.unwrap_or(default.tau),
        weight: match settings.weight {
            WeightName::Outside => ContrastWeight::Outside,
            WeightName::Inside => ContrastWeight::Inside,
        },
    };
    Ok(objective.loss(winners, losers, features))
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HardNegativeSettings {
    factor: f64,
    capped: bool,
    relativistic: bool,
    mode: Formulation,
}

impl Default for HardNegativeSettings {
    fn default() -> Self {
        Self {
            factor: 1.0,
            capped: true,
            relativistic: false,
            mode: Formulation::default(),
        }
    }
}

fn hard_negatives(settings: HardNegativeSettings, tensors: &CaseTensors<'_>) -> Result<Tensor<1>, CaseError> {
    let predictions = [
        tensors.latents("prediction_positive")?,
        tensors.latents("prediction_negative")?,
    ];
    // The code noises both with one noise.
    let target = tensors.latents("target")?;
    let objective = HardNegatives {
        cap: settings.capped.then_some(settings.factor),
        negative: match settings.relativistic {
            true => NegativeError::Matched,
            false => NegativeError::Target,
        },
        formulation: settings.mode,
    };
    Ok(objective.loss(predictions, [target.clone(), target]))
}
