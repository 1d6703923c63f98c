//! The stage `pretrain_judge`: a CLIP of the shapes world, trained from nothing.

use burn::module::Module;
use burn::tensor::Device;
use mitune_diffusion::clip::ClipTextConfig;
use mitune_diffusion::tokenizer::VocabularyBuilder;
use mitune_diffusion::training::{ObjectiveTrainer, initialize, train_only};
use mitune_judges::clip::{ClipConfig, ClipVisionConfig, clip_tensors};
use mitune_store::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::shapes_tokenizer;
use super::judge_batches::JudgeBatches;
use super::judge_captions::FaultyCaptions;
use super::judge_files::write_judge;
use super::judge_measures::HeldOut;
use super::judge_training::{Contrast, ContrastiveClip};
use super::model_parts::put_folder;
use super::training_config::TrainingConfig;
use crate::contract::demand::check_network;
use crate::contract::setting_defaults::whole;
use crate::contract::{
    Content, Dtype, ExpectedTable, InputPort, OutputPort, Stage, StageConfig, StageContext, StageDefaults,
    StageError, StageOutput, keyed_config,
};
use crate::shapes::caption::words;
use crate::shapes::data::ShapesData;
use crate::shapes::mixture::CaptionMixture;
use crate::shapes::render::SIDE;
use crate::shapes::split::Split;
use crate::tables::schema;
use crate::training::LossCurve;
use crate::training::training_run::TrainingRun;

/// Tokens to a prompt, start and end included: as many as the shipped model reads.
const CONTEXT: usize = 16;

/// Trains a CLIP of the shapes world from nothing, each image against faulty captions of its own too.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PretrainJudgeConfig {
    /// Width of both halves. By default, 64.
    #[serde(default = "whole::<usize, 64>")]
    pub width: usize,
    /// Attention heads of both halves. By default, 4.
    #[serde(default = "whole::<usize, 4>")]
    pub heads: usize,
    /// Layers of the half that looks at images. By default, 4.
    #[serde(default = "whole::<usize, 4>")]
    pub vision_layers: usize,
    /// Layers of the half that reads captions. By default, 3.
    #[serde(default = "whole::<usize, 3>")]
    pub text_layers: usize,
    /// Side of a patch in pixels, of images of 32 x 32. By default, 4.
    #[serde(default = "whole::<usize, 4>")]
    pub patch_size: usize,
    /// Width of the embeddings of images and captions. By default, 64.
    #[serde(default = "whole::<usize, 64>")]
    pub embedding_width: usize,
    /// Training data.
    #[serde(default)]
    pub data: JudgeDataConfig,
    /// Images of prompts held back on which the judge is measured at the end. By default, 4096.
    #[serde(default = "whole::<u64, 4096>")]
    pub test_images: u64,
    /// Optimizer and length.
    pub training: TrainingConfig,
    /// Seed of weights and of faulty captions. By default, the pipeline's.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// The training data of a judge, drawn from a seed while training; nothing is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JudgeDataConfig {
    /// Seed of images. By default, 1.
    pub seed: u64,
    /// Seed of the split of the 360 prompts. By default, 1, which is that of the shipped model.
    pub split_seed: u64,
    /// Groups of 4 prompts (2 objects in both orders and colourings) held back for tests, of 90. By default, 22.
    pub test_groups: usize,
}

impl Default for JudgeDataConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            split_seed: 1,
            test_groups: 22,
        }
    }
}

impl StageConfig for PretrainJudgeConfig {
    const KIND: &'static str = "pretrain_judge";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        let layers = self.vision_layers.saturating_add(self.text_layers);
        check_network(&[], 1, layers, self.width)?;
        let vocabulary = VocabularyBuilder::new(words()).map_err(StageError::configuration)?;
        let network = self.network(vocabulary.vocabulary().len());
        network.validate().map_err(StageError::configuration)?;
        let split =
            Split::draw(self.data.split_seed, self.data.test_groups).map_err(StageError::configuration)?;
        let captions = FaultyCaptions::new(&split.train, &split.train).map_err(StageError::configuration)?;
        let data = ShapesData::new(self.data.seed, split.train, CaptionMixture::faithful())
            .map_err(StageError::configuration)?;
        let held_out = HeldOut {
            prompts: split.test,
            seed: self.data.seed,
            images: self.test_images,
        };
        let seed = self.seed.unwrap_or(defaults.seed);
        Ok(Box::new(PretrainJudge {
            config: Self {
                seed: Some(seed),
                ..self
            },
            network,
            data,
            captions,
            held_out,
            seed,
        }))
    }
}

impl PretrainJudgeConfig {
    /// The networks, for a vocabulary of this size whose last tokens are start and end.
    fn network(&self, vocabulary: usize) -> ClipConfig {
        let end = Some(vocabulary as i64 - 1);
        let text = ClipTextConfig {
            vocab_size: vocabulary,
            hidden_size: self.width,
            intermediate_size: self.width.saturating_mul(4),
            num_hidden_layers: self.text_layers,
            num_attention_heads: self.heads,
            max_position_embeddings: CONTEXT,
            bos_token_id: Some(vocabulary as i64 - 2),
            eos_token_id: end,
            pad_token_id: end,
            ..ClipTextConfig::default()
        };
        let vision = ClipVisionConfig {
            hidden_size: self.width,
            intermediate_size: self.width.saturating_mul(4),
            num_hidden_layers: self.vision_layers,
            num_attention_heads: self.heads,
            image_size: SIDE,
            patch_size: self.patch_size,
            ..ClipVisionConfig::default()
        };
        ClipConfig::new(text, vision, self.embedding_width)
    }
}

struct PretrainJudge {
    config: PretrainJudgeConfig,
    network: ClipConfig,
    data: ShapesData,
    captions: FaultyCaptions,
    held_out: HeldOut,
    seed: u64,
}

impl Stage for PretrainJudge {
    fn kind(&self) -> &'static str {
        PretrainJudgeConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &[])
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[
            OutputPort {
                name: "judge",
                content: Content::JudgeModel,
            },
            OutputPort {
                name: "losses",
                content: Content::Losses,
            },
        ]
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(Dtype::F32)
    }

    fn rng(&self) -> Option<&'static str> {
        Some("blake3-xof box-muller, by (seed, purpose, batch)/1")
    }

    fn effort(&self, _: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        Some(self.config.training.effort())
    }

    fn expected_table(&self, output: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "losses").then(|| ExpectedTable {
            columns: schema::losses(),
            rows: None,
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let temporary = tempfile::tempdir().map_err(StageError::failed)?;
        let folder = temporary.path().join("judge");
        let device = context.device()?;
        let tokenizer = shapes_tokenizer(&folder, CONTEXT)?;
        let batches = JudgeBatches::new(self.data.clone(), self.seed, self.captions.clone(), &tokenizer)
            .map_err(StageError::failed)?;
        let (trained, curve) = self.train(context, &batches, device)?;
        let scale = trained.log_scale().try_into_scalar::<f32>();
        let scale = scale.map_err(StageError::failed)?;
        let tensors = clip_tensors(&trained.vision, &trained.text, scale);
        write_judge(&folder, &self.network, &tensors)?;
        let preferences = self.held_out.preferences(&folder, device)?;
        let mut output = StageOutput::one("judge", put_folder(context, &folder)?)
            .with_metric("parameters", trained.num_params())
            .with_metric("scale", f64::from(scale).exp());
        if let Some(loss) = curve.recent_loss(100) {
            output = output.with_metric("loss", loss);
        }
        output.outputs.insert("losses".to_owned(), curve.put(context)?);
        Ok(preferences.told(output))
    }
}

impl PretrainJudge {
    /// Trains both halves to the end.
    fn train(
        &self,
        context: &StageContext<'_>,
        batches: &JudgeBatches,
        device: &Device,
    ) -> Result<(ContrastiveClip, LossCurve), StageError> {
        let tracked = device.clone().autodiff();
        let network = ContrastiveClip::new(&self.network, device)?;
        let network = initialize(train_only(network, |_| true), self.seed);
        let TrainingConfig {
            steps,
            batch_size,
            checkpoint_every,
            ..
        } = self.config.training;
        let settings = self.config.training.settings();
        let mut trainer =
            ObjectiveTrainer::new(network, Contrast, settings).map_err(StageError::configuration)?;
        let run = TrainingRun {
            context,
            steps,
            checkpoint_every,
        };
        let curve = run.complete(&mut trainer, |step| [batches.batch(step, batch_size, &tracked)])?;
        Ok((trainer.trainer().averaged_module().valid(), curve))
    }
}
