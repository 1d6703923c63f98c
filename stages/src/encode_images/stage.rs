//! What the settings make: the stage with its port, its key and its outputs.

use std::collections::BTreeMap;

use mitune_store::{ContentDigest, Value};

use super::config::EncodeImagesConfig;
use crate::contract::{
    Content, Dtype, ExpectedTable, ExternalDigests, InputPort, OutputPort, Stage, StageConfig, StageContext,
    StageError, StageOutput, keyed_config,
};
use crate::ingest::images::ImageSource;
use crate::ingest::images::error::{ImagesError, SOURCE};
use crate::ingest::images::files::SourceFiles;
use crate::ingest::images::source::RowKind;
use crate::models::model_source::ModelSource;
use crate::tables::schema;

/// The stage.
pub(super) struct EncodeImages {
    pub(super) config: EncodeImagesConfig,
    pub(super) model: ModelSource,
    pub(super) seed: u64,
    /// The source as seen from the working directory.
    pub(super) source: ImageSource,
    /// What its rows are.
    pub(super) rows: RowKind,
}

/// What images are encoded in: halves overflow in published autoencoders.
pub(super) const ENCODED_IN: Dtype = Dtype::F32;

/// References and paths, whose content is keyed, and how work is cut up.
const NOT_KEYED: [&str; 4] = ["model", "model_from", "shard_size", "source"];

const LATENTS: OutputPort = OutputPort {
    name: "latents",
    content: Content::Latents,
};
const WEIGHTS: OutputPort = OutputPort {
    name: "weights",
    content: Content::Weights,
};
const PAIRS: OutputPort = OutputPort {
    name: "pairs",
    content: Content::Pairs,
};
const IMAGES: OutputPort = OutputPort {
    name: "images",
    content: Content::Images,
};

impl Stage for EncodeImages {
    fn kind(&self) -> &'static str {
        EncodeImagesConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        let mut config = keyed_config(&self.config, &NOT_KEYED)?;
        if let Value::Map(fields) = &mut config {
            let source = Value::from_serialize(&self.config.source.without_paths())?;
            fields.insert("source".to_owned(), source);
        }
        Ok(config)
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![self.model.port()]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        match (self.rows, self.config.keep_images) {
            (RowKind::Images, false) => &[LATENTS],
            (RowKind::Images, true) => &[LATENTS, IMAGES],
            (RowKind::WeightedImages, false) => &[LATENTS, WEIGHTS],
            (RowKind::WeightedImages, true) => &[LATENTS, WEIGHTS, IMAGES],
            (RowKind::Pairs, false) => &[PAIRS],
            (RowKind::Pairs, true) => &[PAIRS, IMAGES],
        }
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        let mut external = self.model.external(digests)?;
        let files = SourceFiles::list(&self.source, self.seed).map_err(ImagesError::into_stage_error)?;
        external.insert(SOURCE.to_owned(), files.external(digests)?);
        Ok(external)
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(ENCODED_IN)
    }

    fn rng(&self) -> Option<&'static str> {
        Some("blake3-xof box-muller, by (seed, image)/1")
    }

    fn expected_table(&self, output: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        let columns = match output {
            "latents" => schema::latents(),
            "weights" => schema::weights(),
            "pairs" => schema::pairs(),
            "images" => schema::images(),
            _ => return None,
        };
        Some(ExpectedTable { columns, rows: None })
    }

    fn shares_work(&self) -> bool {
        true
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.encode(context)
    }
}
