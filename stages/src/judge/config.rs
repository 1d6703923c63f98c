//! Settings of the stage, and the stage they make.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::PathBuf;

use mitune_store::{ContentDigest, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows;
use super::source::{JudgedSource, PAIRS};
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::nonzero;
use crate::contract::{
    Content, Dtype, ExpectedTable, ExternalDigests, InputPort, OutputPort, Stage, StageConfig, StageContext,
    StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::items::item_blocks::check_batch_size;
use crate::judges::{Judge, JudgeKind, JudgedColumn, external_name};
use crate::models::model_source::ModelSource;

/// Asks judges what images are worth, each with its prompt.
///
/// One of `candidates`, `images` and `pairs` says which images.
/// The columns of its table are named after the judges. Numbers can be selected by, and compared by `compare`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JudgeConfig {
    /// The candidates to judge.
    #[serde(default)]
    pub candidates: Option<Reference>,
    /// Images that are no candidates to judge.
    #[serde(default)]
    pub images: Option<Reference>,
    /// A CSV or Parquet file to judge, relative to the pipeline, with the columns `image`, a path relative to the file,
    /// and `prompt`; of its `chunks`, JSON lists of noun phrases, a judge that asks about them takes these. Rows keep
    /// their order, and their seed indices count those of one prompt.
    #[serde(default)]
    pub pairs: Option<PathBuf>,
    /// Who judges.
    #[serde(default)]
    pub judge: Option<JudgeKind>,
    /// Several who judge, in place of `judge`; their columns stand side by side. What each says is kept by itself, so one
    /// that is added computes its own part alone.
    #[serde(default)]
    pub judges: Vec<JudgeKind>,
    /// Model directory, relative to the pipeline; its autoencoder decodes candidates that have no `image`. By default,
    /// the pipeline's `model`.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// A model made by another stage, in place of `model`.
    #[serde(default)]
    pub model_from: Option<Reference>,
    /// Candidates that are judged together. By default, as many as each judge likes. It is part of the key, because the
    /// last digits depend on it.
    #[serde(default)]
    pub batch_size: Option<NonZeroU32>,
    /// Candidates to a shard, which is what a killed process can lose. By default, 256.
    #[serde(default = "nonzero::<256>")]
    pub shard_size: NonZeroU32,
}

impl StageConfig for JudgeConfig {
    const KIND: &'static str = "judge";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        check_batch_size(self.batch_size.map(|size| size.get() as usize))?;
        let kinds: Vec<&JudgeKind> = self.judge.iter().chain(&self.judges).collect();
        if self.judge.is_some() != self.judges.is_empty() {
            return Err(StageError::configuration(JudgeConfigError::Judges {
                found: if kinds.is_empty() { "neither" } else { "both" },
            }));
        }
        let judges = kinds.into_iter().map(|kind| {
            let judge = kind.judge(&defaults.directory)?;
            let batch_size = self.batch_size.unwrap_or(judge.batch_size());
            Ok(StageJudge { judge, batch_size })
        });
        let judges = judges.collect::<Result<Vec<_>, StageError>>()?;
        check_names(&self.judges, &judges)?;
        let source = JudgedSource::choose(
            self.candidates.as_ref(),
            self.images.as_ref(),
            self.pairs.as_deref(),
            defaults,
        )
        .map_err(StageError::configuration)?;
        // Candidates that come with images need no model.
        let model = ModelSource::choose_if_any(self.model.as_deref(), self.model_from.as_ref(), defaults)?;
        let columns = judges
            .iter()
            .flat_map(|one| one.judge.columns())
            .cloned()
            .collect();
        Ok(Box::new(JudgeStage {
            config: self,
            source,
            judges,
            columns,
            model,
        }))
    }
}

/// Judges that are not those of one table.
#[derive(Debug, thiserror::Error)]
enum JudgeConfigError {
    #[error("One of the settings `judge` and `judges` says who judges, found {found} of them")]
    Judges { found: &'static str },
    #[error("Two judges are called `{name}`; give one of them another `name`")]
    SameName { name: String },
    #[error("Judge `{name}` stands twice in `judges` and has no settings to differ in; leave one out")]
    Twice { name: String },
}

/// The stage.
pub(super) struct JudgeStage {
    pub(super) config: JudgeConfig,
    pub(super) source: JudgedSource,
    pub(super) judges: Vec<StageJudge>,
    /// The columns of all judges, in their order.
    pub(super) columns: Vec<JudgedColumn>,
    pub(super) model: Option<ModelSource>,
}

/// One of the judges of a stage.
pub(super) struct StageJudge {
    pub(super) judge: Box<dyn Judge>,
    /// Images that it judges together.
    pub(super) batch_size: NonZeroU32,
}

impl StageJudge {
    /// The settings of a stage in which it judges alone, for the keys.
    pub(super) fn keyed(&self) -> Result<Value, StageError> {
        Ok(Value::map([
            ("batch_size", Value::from(self.batch_size.get())),
            ("judge", identity(self.judge.as_ref())?),
        ]))
    }
}

impl JudgeStage {
    /// Tells whether any judge asks about noun phrases.
    pub(super) fn reads_phrases(&self) -> bool {
        self.judges.iter().any(|one| one.judge.asks_about_phrases())
    }

    /// Tells whether the part that a judge has of the stage's work reads something outside the store.
    pub(super) fn reads(&self, judge: &dyn Judge, name: &str) -> bool {
        let others = self.judges.iter().map(|one| one.judge.name());
        let mut others = others.filter(|other| *other != judge.name());
        // Pairs are in the keys of their items.
        name != PAIRS && !others.any(|other| external_name(other) == name)
    }
}

/// What images are decoded in.
pub(super) const DTYPE: Dtype = Dtype::F32;

/// Settings that change no judgement; the judge is keyed by what it says of itself.
const NOT_KEYED: [&str; 9] = [
    "batch_size",
    "candidates",
    "images",
    "judge",
    "judges",
    "model",
    "model_from",
    "pairs",
    "shard_size",
];

impl Stage for JudgeStage {
    fn kind(&self) -> &'static str {
        JudgeConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        let mut config = keyed_config(&self.config, &NOT_KEYED)?;
        let keyed = self.judges.iter().map(StageJudge::keyed);
        let mut keyed = keyed.collect::<Result<Vec<_>, _>>()?;
        if let Value::Map(fields) = &mut config {
            match (keyed.len(), keyed.pop()) {
                (1, Some(Value::Map(alone))) => fields.extend(alone),
                (_, last) => {
                    keyed.extend(last);
                    fields.insert("judges".to_owned(), Value::from(keyed));
                }
            }
        }
        Ok(config)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let model = self.model.as_ref().map(ModelSource::port);
        let model = model.unwrap_or_else(ModelSource::unconnected_port);
        self.source.port().into_iter().chain([model]).collect()
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "scores",
            content: Content::Scores,
        }]
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        // Named apart from what the stage itself and its keys name, `model` among them.
        let mut external = self.source.external(self.reads_phrases(), digests)?;
        for StageJudge { judge, .. } in &self.judges {
            let digest = judge.external(digests)?;
            external.extend(digest.map(|digest| (external_name(judge.name()), digest)));
        }
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

    /// Candidates that come with images are judged without one, unless a judge itself needs it.
    fn needs_device(&self) -> bool {
        self.judges.iter().any(|one| one.judge.needs_device())
    }

    fn effort(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        Some(self.source.rows(rows)? as f64 * self.judges.len() as f64)
    }

    fn expected_table(&self, output: &str, rows: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "scores").then(|| ExpectedTable {
            columns: rows::schema(&self.columns),
            rows: self.source.rows(rows),
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

/// Checks that the columns of several judges can stand side by side.
fn check_names(kinds: &[JudgeKind], judges: &[StageJudge]) -> Result<(), StageError> {
    let (mut names, mut unnamed) = (BTreeSet::new(), BTreeSet::new());
    for (kind, StageJudge { judge, .. }) in kinds.iter().zip(judges) {
        if !kind.takes_name() && !unnamed.insert(judge.name()) {
            let name = judge.name().to_owned();
            return Err(StageError::configuration(JudgeConfigError::Twice { name }));
        }
        let columns = judge.columns().iter().map(|column| &*column.name);
        let own: BTreeSet<&str> = columns.chain([judge.name()]).collect();
        if !names.is_disjoint(&own) {
            let name = judge.name().to_owned();
            return Err(StageError::configuration(JudgeConfigError::SameName { name }));
        }
        names.extend(own);
    }
    Ok(())
}
