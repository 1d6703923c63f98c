//! What a judge says of given images and prompts, straight into a file: no pipeline, no store.

mod asked;
mod table;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use mitune_diffusion::device::DeviceSelection;
use mitune_judges::pair_judge::JudgeError;

use self::asked::{Asked, AskedPairs};
use self::table::{schema, table};
use crate::contract::{Progress, StageError, Work};
use crate::judges::{AskedPair, JudgeKind, Network};
use crate::output_file::write_table;
use crate::score::given_pairs::pair_file::{check_output, count, name};

/// Pairs that are judged together. Batches are filled up to it, so that a score does not depend on the other pairs.
pub const DEFAULT_BATCH: u32 = 8;

/// Which pairs to judge, by whom, and where the scores go.
#[derive(Clone, Debug)]
pub struct JudgedPairs {
    /// The judge, with the folder of its model.
    pub judge: JudgeKind,
    /// Device to compute on.
    pub device: DeviceSelection,
    /// Pairs that are judged together.
    pub batch_size: NonZeroU32,
    /// CSV or Parquet file with the columns `image` and `prompt`; of its `chunks`, a judge that asks about noun phrases
    /// takes these.
    pub pairs: PathBuf,
    /// Parquet file to write; one that is there is replaced once all scores are known.
    pub out: PathBuf,
}

/// What a judge said.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The pairs in the order of the file.
    pub pairs: Vec<JudgedPair>,
    /// The device, as options name it.
    pub device: String,
}

/// One pair and its score.
#[derive(Clone, Debug)]
pub struct JudgedPair {
    /// The path of the image as the file of pairs has it, if it has one.
    pub image: Option<String>,
    /// The prompt.
    pub prompt: String,
    /// What the judge said.
    pub score: f64,
}

/// Why pairs could not be judged.
#[derive(Debug, thiserror::Error)]
enum JudgedPairsError {
    #[error("A judge without a model reads no files of pairs")]
    NoModel,
    #[error("Pairs up to row {row} of `{}` could not be judged", path.display())]
    Judge {
        path: PathBuf,
        row: u64,
        source: JudgeError,
    },
    #[error("{image} cannot be judged")]
    Image { image: String, source: JudgeError },
}

impl JudgedPairs {
    /// Judges all pairs and writes the table: `image`, `prompt` and `score`, with the rows of the file in their order.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the judge, a pair or the output cannot be used, [`StageError::Interrupted`] once
    /// `cancelled` is set, [`StageError::Failed`] if the computation or the system fails. There is then no new output.
    pub fn judge(&self, progress: &dyn Progress, cancelled: &AtomicBool) -> Result<Judged, StageError> {
        check_output(&self.out, &self.pairs)?;
        let judge = self.judge.model_judge(Path::new(""))?;
        let judge = judge.ok_or_else(|| StageError::configuration(JudgedPairsError::NoModel))?;
        let total = count(&self.pairs)?;
        let opened = self.device.open().map_err(StageError::configuration)?;
        let device = opened.name();
        let network = judge.load(&opened.device, &device, self.batch_size)?;
        progress.begin(Work {
            total,
            reused: 0,
            unit: "pairs",
        });
        let mut pairs = Vec::new();
        let mut waiting: Vec<Asked> = Vec::new();
        let mut asked = AskedPairs::open(&self.pairs, judge.asks_about_phrases())?;
        loop {
            let next = asked.next_pair()?;
            let at_end = next.is_none();
            waiting.extend(next);
            if waiting.len() == self.batch_size.get() as usize || (at_end && !waiting.is_empty()) {
                if cancelled.load(Ordering::Relaxed) {
                    return Err(StageError::Interrupted);
                }
                let judged = self.judge_batch(&network, std::mem::take(&mut waiting))?;
                progress.advance(judged.len() as u64);
                pairs.extend(judged);
            }
            if at_end {
                break;
            }
        }
        if cancelled.load(Ordering::Relaxed) {
            return Err(StageError::Interrupted);
        }
        let schema = schema(&self.judge);
        let table = table(&schema, &pairs).map_err(StageError::failed)?;
        write_table(&self.out, &schema, &[table]).map_err(StageError::failed)?;
        Ok(Judged { pairs, device })
    }

    fn judge_batch(&self, network: &Network, batch: Vec<Asked>) -> Result<Vec<JudgedPair>, StageError> {
        let asked: Vec<AskedPair<'_>> = batch
            .iter()
            .map(|one| AskedPair {
                picture: &one.picture,
                prompt: &one.prompt,
                phrases: one.phrases.as_deref(),
            })
            .collect();
        let scores = network.score(&asked).map_err(|source| {
            let about = source.item().and_then(|item| batch.get(item));
            StageError::failed(match about {
                Some(one) => JudgedPairsError::Image {
                    image: name(&self.pairs, one.image.as_deref(), one.row),
                    source,
                },
                None => JudgedPairsError::Judge {
                    path: self.pairs.clone(),
                    row: batch.last().map_or(0, |last| last.row),
                    source,
                },
            })
        })?;
        let judged = batch.into_iter().zip(scores);
        Ok(judged
            .map(|(one, score)| JudgedPair {
                image: one.image,
                prompt: one.prompt,
                score,
            })
            .collect())
    }
}
