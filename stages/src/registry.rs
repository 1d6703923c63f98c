//! The one list of stage kinds.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error as _};

pub use crate::contract::StageConfig;
use crate::contract::{Stage, StageDefaults, StageError};

/// Declares [`StageSpec`] from the configuration types, so that a kind is listed once.
macro_rules! stage_kinds {
    ($($variant:ident($config:ty)),* $(,)?) => {
        /// A stage as written in a pipeline: one variant per kind.
        #[derive(Debug)]
        pub enum StageSpec {
            $(
                #[doc = concat!("Settings of the kind [`", stringify!($config), "`].")]
                $variant($config),
            )*
        }

        impl StageSpec {
            /// The names of all kinds, in the order of a typical pipeline.
            pub const KINDS: &'static [&'static str] = &[$(<$config as StageConfig>::KIND),*];

            /// Reads the settings of a stage of one kind.
            ///
            /// # Errors
            /// An unknown variant if there is no such kind, else what the settings themselves refuse.
            pub fn deserialize<'de, D: Deserializer<'de>>(kind: &str, settings: D) -> Result<Self, D::Error> {
                $(
                    if kind == <$config as StageConfig>::KIND {
                        return serde::Deserialize::deserialize(settings).map(Self::$variant);
                    }
                )*
                Err(D::Error::unknown_variant(kind, Self::KINDS))
            }

            /// Makes the stage, filling in what the pipeline says for all of its stages.
            ///
            /// # Errors
            /// [`StageError::Configuration`] if settings contradict each other.
            pub fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
                match self {
                    $(Self::$variant(config) => config.build(defaults),)*
                }
            }

            /// Describes the settings of every kind, without the `kind` itself.
            pub fn schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
                vec![$((<$config as StageConfig>::KIND, <$config>::json_schema(generator))),*]
            }
        }
    };
}

stage_kinds! {
    Ingest(crate::ingest::prompts::PromptsConfig),
    EncodeImages(crate::encode_images::EncodeImagesConfig),
    Generate(crate::generate::GenerateConfig),
    Score(crate::score::ScoreConfig),
    Select(crate::select::SelectConfig),
    Pair(crate::pair::PairConfig),
    Weigh(crate::weigh::WeighConfig),
    Mix(crate::mix::MixConfig),
    Contrast(crate::contrast::ContrastConfig),
    Finetune(crate::finetune::FinetuneConfig),
    PolicyGradient(crate::policy_gradient::PolicyGradientConfig),
    MergeAdapters(crate::merge_adapters::MergeAdaptersConfig),
    MergeIntoModel(crate::merge_into_model::MergeIntoModelConfig),
    Evaluate(crate::evaluate::EvaluateConfig),
    Judge(crate::judge::JudgeConfig),
    Compare(crate::compare::CompareConfig),
    Agree(crate::agree::AgreeConfig),
    SetDistance(crate::set_distance::SetDistanceConfig),
    Embed(crate::embed::EmbedConfig),
    Stylise(crate::stylise::StyliseConfig),
    PretrainAutoencoder(crate::pretrain::PretrainAutoencoderConfig),
    PretrainDenoiser(crate::pretrain::PretrainDenoiserConfig),
    PretrainJudge(crate::pretrain::PretrainJudgeConfig),
}
