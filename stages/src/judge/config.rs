//! Settings of the stage, and the stage they make.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use mitune_store::{ContentDigest, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows;
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::nonzero;
use crate::contract::{
    Content, Dtype, ExpectedTable, ExternalDigests, InputPort, OutputPort, Stage, StageConfig, StageContext,
    StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::items::item_blocks::check_batch_size;
use crate::judges::{Judge, JudgeKind};
use crate::models::model_source::ModelSource;

/// Asks a judge what the images of finished candidates are worth, each with its prompt.
///
/// The columns of its table are named after the judge. Numbers can be selected by, and compared by `compare`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JudgeConfig {
    /// The candidates to judge.
    pub candidates: Reference,
    /// Who judges.
    pub judge: JudgeKind,
    /// Model directory, relative to the pipeline; its autoencoder decodes candidates that have no `image`. By default,
    /// the pipeline's `model`.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// A model made by another stage, in place of `model`.
    #[serde(default)]
    pub model_from: Option<Reference>,
    /// Candidates of one prompt that are judged together. By default, as many as the judge likes. It is part of the key,
    /// because the last digits depend on it.
    #[serde(default)]
    pub batch_size: Option<NonZeroU32>,
    /// Candidates to a shard, which is what a killed process can lose. By default, 256.
    #[serde(default = "nonzero::<256>")]
    pub shard_size: NonZeroU32,
}

impl StageConfig for JudgeConfig {
    const KIND: &'static str = "judge";

    fn build(mut self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        let judge = self.judge.judge();
        let batch_size = *self.batch_size.get_or_insert(judge.batch_size());
        check_batch_size(Some(batch_size.get() as usize))?;
        // Candidates that come with images need no model.
        let model = ModelSource::choose_if_any(self.model.as_deref(), self.model_from.as_ref(), defaults)?;
        Ok(Box::new(JudgeStage {
            config: self,
            batch_size,
            judge,
            model,
        }))
    }
}

/// The stage.
pub(super) struct JudgeStage {
    pub(super) config: JudgeConfig,
    pub(super) batch_size: NonZeroU32,
    pub(super) judge: Box<dyn Judge>,
    pub(super) model: Option<ModelSource>,
}

/// What images are decoded in.
pub(super) const DTYPE: Dtype = Dtype::F32;

/// Settings that change no judgement; the judge is keyed by what it says of itself.
const NOT_KEYED: [&str; 5] = ["candidates", "judge", "model", "model_from", "shard_size"];

impl Stage for JudgeStage {
    fn kind(&self) -> &'static str {
        JudgeConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        let mut config = keyed_config(&self.config, &NOT_KEYED)?;
        if let Value::Map(fields) = &mut config {
            fields.insert("judge".to_owned(), identity(self.judge.as_ref())?);
        }
        Ok(config)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let model = self.model.as_ref().map(ModelSource::port);
        vec![
            InputPort::one("candidates", &[Content::Candidates], &self.config.candidates),
            model.unwrap_or_else(ModelSource::unconnected_port),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "scores",
            content: Content::Scores,
        }]
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        // Named apart from what the stage itself and its keys name, `model` among them.
        let of_judge = self.judge.external(digests)?.into_iter();
        let mut external: BTreeMap<_, _> = of_judge
            .map(|(name, digest)| (format!("judge_{name}"), digest))
            .collect();
        if let Some(model) = &self.model {
            external.extend(model.external(digests)?);
        }
        Ok(external)
    }

    fn shares_work(&self) -> bool {
        true
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(DTYPE)
    }

    /// Candidates that come with images are judged without one, unless the judge itself needs it.
    fn needs_device(&self) -> bool {
        self.judge.needs_device()
    }

    fn effort(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        Some(rows("candidates")? as f64)
    }

    fn expected_table(&self, output: &str, rows: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "scores").then(|| ExpectedTable {
            columns: rows::schema(self.judge.columns()),
            rows: rows("candidates"),
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.judge_candidates(context)
    }
}

/// What keys say of a judge.
fn identity(judge: &dyn Judge) -> Result<Value, StageError> {
    Ok(Value::map([
        ("name", Value::from(judge.name())),
        ("revision", Value::from(judge.revision())),
        ("settings", judge.settings()?),
    ]))
}
