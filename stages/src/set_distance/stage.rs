//! What the settings make: the stage with its ports, its key and its outputs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mitune_store::{ContentDigest, Value};

use super::config::{SetDistanceConfig, SetDistanceSettingError};
use super::reference_folder::ReferenceFolder;
use crate::contract::arm_names::derived_names;
use crate::contract::setting_limits::MOST_ARMS;
use crate::contract::{
    Content, Dtype, ExternalDigests, InputPort, KnownInputs, OutputPort, Stage, StageConfig, StageContext,
    StageError, StageOutput, keyed_config,
};
use crate::judge::image_sets::features::FeatureNetwork;
use crate::models::model_source::ModelSource;

/// The stage.
pub(super) struct SetDistance {
    pub(super) config: SetDistanceConfig,
    /// The folder of the network, as seen from the working directory.
    pub(super) network: PathBuf,
    pub(super) reference_folder: Option<PathBuf>,
    pub(super) decoder: Option<ModelSource>,
    pub(super) inputs: KnownInputs,
}

/// What keys call the network that makes the features.
pub(super) const NETWORK: &str = "network";

/// What keys call the folder of the reference.
pub(super) const REFERENCE_FOLDER: &str = "reference_folder";

/// What images are decoded in.
pub(super) const DECODED_IN: Dtype = Dtype::F32;

/// What has images.
const SETS: &[Content] = &[
    Content::Candidates,
    Content::Selection,
    Content::Latents,
    Content::Images,
];

/// References and paths, whose content is keyed, and how work is cut up.
const NOT_KEYED: [&str; 7] = [
    "decoder",
    "images",
    "model",
    "model_from",
    "reference",
    "reference_folder",
    "shard_size",
];

impl Stage for SetDistance {
    fn kind(&self) -> &'static str {
        SetDistanceConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        let mut config = keyed_config(&self.config, &NOT_KEYED)?;
        if let Value::Map(fields) = &mut config {
            fields.insert("preprocessing".to_owned(), self.keyed_preprocessing()?);
        }
        Ok(config)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let reference = match &self.config.reference {
            Some(reference) => InputPort::one("reference", SETS, reference),
            None => InputPort::optional("reference", SETS, None),
        };
        let decoder = self.decoder.as_ref().map(ModelSource::port);
        vec![
            InputPort::many("images", SETS, &self.config.images),
            reference,
            decoder.unwrap_or_else(ModelSource::unconnected_port),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "summary",
            content: Content::Summary,
        }]
    }

    fn connected(&mut self, inputs: KnownInputs) -> Result<(), StageError> {
        self.inputs = inputs;
        let sets = self.inputs.of("images");
        self.check_arms(sets.len()).map_err(StageError::configuration)?;
        if self.config.names.is_empty() {
            // The result has them, so that they are in the key like names that are set.
            let names = derived_names(&self.inputs, "images");
            self.config.names = names.map_err(StageError::configuration)?;
        }
        Ok(())
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        let network = FeatureNetwork::external(self.config.metric.judge(), &self.network, digests)?;
        let mut external = BTreeMap::from([(NETWORK.to_owned(), network)]);
        if let Some(folder) = &self.reference_folder {
            let digest = ReferenceFolder::external(folder, digests)?;
            external.insert(REFERENCE_FOLDER.to_owned(), digest);
        }
        if let Some(decoder) = &self.decoder {
            external.extend(decoder.external(digests)?);
        }
        Ok(external)
    }

    fn shares_work(&self) -> bool {
        true
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(self.config.dtype)
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.measure_sets(context)
    }
}

impl SetDistance {
    /// Checks how many arms there are, and that each has a name if any has.
    pub(super) fn check_arms(&self, arms: usize) -> Result<(), SetDistanceSettingError> {
        let names = self.config.names.len();
        match arms {
            0 => Err(SetDistanceSettingError::NoArm),
            _ if arms > MOST_ARMS => Err(SetDistanceSettingError::TooManyArms { arms }),
            _ if names != 0 && names != arms => Err(SetDistanceSettingError::Names { names, arms }),
            _ => Ok(()),
        }
    }

    /// How images come to the network, for the keys.
    pub(super) fn keyed_preprocessing(&self) -> Result<Value, StageError> {
        let preprocessing = FeatureNetwork::keyed_preprocessing(self.config.metric.judge());
        Ok(Value::from_serialize(&preprocessing)?)
    }
}
