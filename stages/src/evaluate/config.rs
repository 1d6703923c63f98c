//! Settings of the stage, and the stage they make.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use mitune_store::{ContentDigest, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::reference::Reference;
use crate::contract::setting_defaults::nonzero;
use crate::contract::{
    Content, Dtype, ExpectedTable, ExternalDigests, InputPort, KnownInputs, OutputPort, Stage, StageConfig,
    StageContext, StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::models::model_source::ModelSource;
use crate::statistics::bootstrap::BootstrapSettings;
use crate::tables::matching::{FewRows, UnrelatedTable};
use crate::tables::schema;
use crate::tables::score_columns::check_known_apart;

/// Reads off the pixels of candidates whether they show what their prompts say, and how well scores tell.
///
/// For scores whose terms are kept with them it also says how well every timestep tells, and how much of the weight it
/// has.
///
/// It reads images of the shapes world only, of 32 x 32 pixels and prompts such as "a red circle and a blue square".
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateConfig {
    /// The candidates to look at.
    pub candidates: Reference,
    /// Tables with further scores of these candidates, whose power to find aligned images is measured beside that of
    /// `mi`. By default, none.
    #[serde(default)]
    pub scores: Vec<Reference>,
    /// The rows of another evaluation, of the same prompts and seed indices, to compare with image by image. By
    /// default, none.
    #[serde(default)]
    pub baseline: Option<Reference>,
    /// Model directory, relative to the pipeline; its autoencoder decodes candidates that have no `image`. By default,
    /// the pipeline's `model`.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// A model made by another stage, in place of `model`.
    #[serde(default)]
    pub model_from: Option<Reference>,
    /// How intervals are made. By default, 95% from 10,000 resamples of prompts, with seed 0.
    #[serde(default)]
    pub bootstrap: BootstrapSettings,
    /// Candidates that are decoded together. By default, 64. It is part of the key, because the last digits depend on
    /// it.
    #[serde(default = "nonzero::<64>")]
    pub batch_size: NonZeroU32,
}

impl StageConfig for EvaluateConfig {
    const KIND: &'static str = "evaluate";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        self.bootstrap.check().map_err(StageError::configuration)?;
        // Candidates that come with images need no model.
        let model = ModelSource::choose_if_any(self.model.as_deref(), self.model_from.as_ref(), defaults)?;
        Ok(Box::new(Evaluate {
            config: self,
            model,
            inputs: KnownInputs::default(),
        }))
    }
}

/// The stage.
pub(super) struct Evaluate {
    pub(super) config: EvaluateConfig,
    pub(super) model: Option<ModelSource>,
    pub(super) inputs: KnownInputs,
}

impl Stage for Evaluate {
    fn kind(&self) -> &'static str {
        EvaluateConfig::KIND
    }

    fn revision(&self) -> u32 {
        2
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(
            &self.config,
            &["candidates", "scores", "baseline", "model", "model_from"],
        )
    }

    fn inputs(&self) -> Vec<InputPort> {
        let model = self.model.as_ref().map(ModelSource::port);
        vec![
            InputPort::one("candidates", &[Content::Candidates], &self.config.candidates),
            InputPort::many("scores", &[Content::Scores], &self.config.scores),
            InputPort::optional("baseline", &[Content::Evaluation], self.config.baseline.as_ref()),
            model.unwrap_or_else(ModelSource::unconnected_port),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[
            OutputPort {
                name: "rows",
                content: Content::Evaluation,
            },
            OutputPort {
                name: "summary",
                content: Content::Summary,
            },
        ]
    }

    fn connected(&mut self, inputs: KnownInputs) -> Result<(), StageError> {
        self.inputs = inputs;
        UnrelatedTable::check(&self.inputs).map_err(StageError::configuration)?;
        check_known_apart(&self.inputs).map_err(StageError::configuration)
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        match &self.model {
            Some(model) => model.external(digests),
            None => Ok(BTreeMap::new()),
        }
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(Dtype::F32)
    }

    /// Candidates that come with images are judged without one.
    fn needs_device(&self) -> bool {
        false
    }

    fn check_rows(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Result<(), StageError> {
        let Some(candidates) = rows("candidates") else {
            return Ok(());
        };
        // Every table has a row for each candidate; `rows` tells the sum over those on a port.
        let mut ports = ["scores", "baseline"].into_iter();
        let few = |port: &'static str| {
            let tables = self.inputs.of(port).len() as u64;
            FewRows::check(port, rows(port), candidates.saturating_mul(tables))
        };
        ports.try_for_each(few).map_err(StageError::configuration)
    }

    fn effort(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        Some(rows("candidates")? as f64)
    }

    fn expected_table(&self, output: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "rows").then(|| ExpectedTable {
            columns: schema::evaluation(),
            rows: None,
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.evaluate(context)
    }
}
