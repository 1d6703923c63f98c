//! BLIP-VQA: whether an image shows each noun phrase of its prompt, asked one by one.

use std::path::Path;

use burn::tensor::Tensor;
use mitune_diffusion::input_file::read_object;
use mitune_diffusion::nn::weights::{TensorSource, WeightsFolder};
use serde::{Deserialize, Serialize};

use super::preparation::{Preparation, values_of};
use super::questions::{MOST_CHUNKS, joint_probability, question, share_of_yes};
use super::vocabulary_check::check_vocabulary;
use crate::blip::{
    BlipForQuestionAnswering, BlipVqaConfig, StretchedPositions, TextBatch, WordPieceTokenizer,
};
use crate::clip_judges::Execution;
use crate::pair_judge::JudgeError;
use crate::picture::Picture;
use crate::preprocessing::Preprocessing;

/// What of BLIP-VQA can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlipVqaSettings {
    /// Side of the image in pixels; position embeddings of another size are stretched to it.
    pub image_side: usize,
    /// What a question begins with.
    pub first_token: FirstToken,
}

/// What a question begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstToken {
    /// `[ENC]`, as BLIP was trained and T2I-CompBench asks.
    #[default]
    Encoder,
    /// `[CLS]`, as transformers' own pipeline leaves it.
    Plain,
}

impl Default for BlipVqaSettings {
    fn default() -> Self {
        Self {
            image_side: 480,
            first_token: FirstToken::default(),
        }
    }
}

/// T2I-CompBench's judge of attributes: the product of the probabilities that BLIP answers yes.
#[derive(Debug)]
pub struct BlipVqa {
    network: BlipForQuestionAnswering,
    tokenizer: WordPieceTokenizer,
    preparation: Preparation,
    first_token: FirstToken,
    /// Ids of yes and no.
    answers: [u32; 2],
}

/// Most tokens of a question, with those before and after it.
const LONGEST: usize = 35;

/// The position embeddings, in the files of transformers.
const POSITIONS: &str = "vision_model.embeddings.position_embedding";

impl BlipVqa {
    /// Opens a folder of transformers' `BlipForQuestionAnswering`: `config.json`, `model.safetensors`, `vocab.txt`.
    ///
    /// # Errors
    /// When a file is missing or is of another model, or the settings do not fit it.
    pub fn open(folder: &Path, settings: &BlipVqaSettings, execution: Execution) -> Result<Self, JudgeError> {
        let weights = WeightsFolder::open(folder, "model")?;
        Self::load(folder, &weights, settings, execution)
    }

    /// Opens such a folder with weights that are read through `source`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn load(
        folder: &Path,
        source: &dyn TensorSource,
        settings: &BlipVqaSettings,
        execution: Execution,
    ) -> Result<Self, JudgeError> {
        let path = folder.join("config.json");
        let tokenizer = WordPieceTokenizer::from_directory(folder)?;
        let config =
            BlipVqaConfig::from_fields(read_object(&path)?).map_err(|error| error.of_judge(&path))?;
        check_vocabulary(&path, &config.text_config, &tokenizer, LONGEST)?;
        let config = BlipVqaConfig {
            vision_config: config.vision_config.with_image_size(settings.image_side),
            ..config
        };
        config.validate().map_err(|error| error.of_judge(&path))?;
        let patches = config.vision_config.patches_per_side();
        let stretched =
            StretchedPositions::new(source, POSITIONS, patches).map_err(|error| error.of_judge(&path))?;
        let network = BlipForQuestionAnswering::load(&stretched, &config, &execution.device, execution.dtype)
            .map_err(|error| error.of_judge(&path))?;
        let answers = [
            answer(&path, &tokenizer, "yes")?,
            answer(&path, &tokenizer, "no")?,
        ];
        Ok(Self {
            network,
            tokenizer,
            preparation: Preparation {
                preprocessing: Preprocessing::blip(settings.image_side),
                side: settings.image_side,
                execution,
            },
            first_token: settings.first_token,
            answers,
        })
    }

    /// How pictures are prepared.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preparation.preprocessing
    }

    /// Judges each picture by the noun phrases of its prompt, the first eight of them.
    ///
    /// # Errors
    /// When a picture cannot be prepared, a question cannot be encoded, or the network gives no number.
    pub fn score(&self, items: &[(&Picture, &[String])]) -> Result<Vec<f64>, JudgeError> {
        let asked: Vec<usize> = (0..items.len())
            .filter(|index| !items[*index].1.is_empty())
            .collect();
        let mut scores = vec![joint_probability(&[]); items.len()];
        for pass in asked.chunks(self.preparation.batch_size()) {
            let pictures: Vec<&Picture> = pass.iter().map(|index| items[*index].0).collect();
            let images = self.encode(&pictures);
            let images = images.map_err(|error| error.among(|place| pass[place]))?;
            for (place, index) in pass.iter().enumerate() {
                let chunks = &items[*index].1[..items[*index].1.len().min(MOST_CHUNKS)];
                let questions: Vec<String> = chunks.iter().map(|chunk| question(chunk)).collect();
                let probabilities = self.ask(images.clone().narrow(0, place, 1), &questions)?;
                if !probabilities.iter().all(|one| one.is_finite()) {
                    return Err(JudgeError::NotFinite {
                        index: *index,
                        dtype: self.preparation.execution.dtype,
                    });
                }
                scores[*index] = joint_probability(&probabilities);
            }
        }
        Ok(scores)
    }

    /// The probability of yes, against no, for each question about a picture; questions are asked as they stand.
    ///
    /// # Errors
    /// As [`Self::score`].
    pub fn probabilities(&self, picture: &Picture, questions: &[String]) -> Result<Vec<f32>, JudgeError> {
        match questions.is_empty() {
            true => Ok(Vec::new()),
            false => self.ask(self.encode(&[picture])?.narrow(0, 0, 1), questions),
        }
    }

    /// # Shapes
    /// - output: `[batch size, tokens, width]`
    fn encode(&self, pictures: &[&Picture]) -> Result<Tensor<3>, JudgeError> {
        let pixels = self.preparation.batch(pictures)?;
        Ok(self.network.encode_images(pixels))
    }

    /// Asks all questions about an image at once.
    fn ask(&self, image: Tensor<3>, questions: &[String]) -> Result<Vec<f32>, JudgeError> {
        let ids = questions
            .iter()
            .map(|question| self.question_ids(question))
            .collect::<Result<Vec<_>, _>>()?;
        let longest = ids.iter().map(Vec::len).max().unwrap_or(0);
        let padding = self.tokenizer.padding_id();
        let texts = TextBatch::new(&ids, longest, padding, &self.preparation.execution.device);
        let logits = values_of(self.network.first_logits(&texts, image, &self.answers))?;
        let (pairs, _) = logits.as_chunks::<2>();
        Ok(pairs.iter().map(|[yes, no]| share_of_yes(*yes, *no)).collect())
    }

    fn question_ids(&self, question: &str) -> Result<Vec<u32>, JudgeError> {
        let mut ids = self.tokenizer.encode(question, LONGEST)?;
        if let (FirstToken::Encoder, Some(first)) = (self.first_token, ids.first_mut()) {
            *first = self.tokenizer.encoder_id();
        }
        Ok(ids)
    }
}

/// The id of an answer.
fn answer(path: &Path, tokenizer: &WordPieceTokenizer, word: &str) -> Result<u32, JudgeError> {
    tokenizer.id_of(word).ok_or_else(|| JudgeError::Configuration {
        path: path.with_file_name("vocab.txt"),
        reason: format!("it has no `{word}`, which is an answer"),
    })
}
