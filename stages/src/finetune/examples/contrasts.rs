//! Images with their prompts beside an image or a prompt that does not match.

use mitune_diffusion::training::PairBatch;
use mitune_store::{Artifact, Store};
use serde_json::Value;

use super::images::CaptionedImage;
use super::{Example, Examples, Prompts};
use crate::contract::StageError;
use crate::finetune::batches::DrawnBatch;
use crate::finetune::prompt_rows::PromptRows;
use crate::tables::contrasts::{Contrast, ContrastKind, ContrastsError, read_contrasts};
use crate::tables::latent_rows::Latent;

/// A matched image and prompt, and what is mismatched in its place.
pub(in crate::finetune) struct ImageContrast {
    matched: CaptionedImage,
    kind: ContrastKind,
    /// The place of the mismatched prompt, or of the prompt itself.
    other_prompt: usize,
    /// The mismatched image, where it is not the prompt that is.
    other_latent: Option<Latent>,
}

/// Reads the union of tables of contrasts, in their order; what is in two of them counts twice.
///
/// A table without contrasts adds none, if another one has some.
pub(in crate::finetune) fn read(
    store: &Store,
    tables: &[Artifact],
) -> Result<Examples<ImageContrast>, StageError> {
    let mut prompts = Prompts::default();
    let mut items = Vec::new();
    for table in tables {
        let rows = match read_contrasts(store, table) {
            Ok(rows) => rows,
            Err(ContrastsError::Empty) => continue,
            Err(ContrastsError::Store(error)) => return Err(StageError::Store(error)),
            Err(error) => return Err(StageError::failed(error)),
        };
        items.extend(rows.into_iter().map(|row| ImageContrast::of(row, &mut prompts)));
    }
    match items.is_empty() {
        true => Err(StageError::configuration(ContrastsError::Empty)),
        false => Ok(Examples { items, prompts }),
    }
}

impl ImageContrast {
    fn of(row: Contrast, prompts: &mut Prompts) -> Self {
        Self {
            matched: CaptionedImage {
                prompt: prompts.place(&row.prompt),
                latent: row.latent,
            },
            kind: row.kind,
            other_prompt: prompts.place(&row.other_prompt),
            other_latent: row.other_latent,
        }
    }

    fn mismatched_latent(&self) -> &Latent {
        self.other_latent.as_ref().unwrap_or(&self.matched.latent)
    }
}

/// The matched item is the preferred one; both have the same noise and timestep.
impl Example for ImageContrast {
    type Batch<C> = PairBatch<C>;

    fn shape(&self) -> [usize; 3] {
        self.matched.shape()
    }

    fn prompts(&self) -> Vec<usize> {
        vec![self.matched.prompt, self.other_prompt]
    }

    fn batch<C: PromptRows>(chosen: &[&Self], drawn: &DrawnBatch<'_, C>) -> Self::Batch<C> {
        let others = drawn.conditioning(chosen.iter().map(|example| example.other_prompt));
        PairBatch {
            preferred: CaptionedImage::noised(chosen.iter().map(|example| &example.matched), drawn),
            rejected: drawn.noised(chosen.iter().map(|example| example.mismatched_latent()), others),
        }
    }

    fn metrics(examples: &[Self]) -> Vec<(&'static str, Value)> {
        let count = |kind| examples.iter().filter(|example| example.kind == kind).count();
        vec![
            ("contrasts", Value::from(examples.len())),
            ("image_negatives", Value::from(count(ContrastKind::Image))),
            ("hard_text_negatives", Value::from(count(ContrastKind::HardText))),
            (
                "random_text_negatives",
                Value::from(count(ContrastKind::RandomText)),
            ),
        ]
    }
}
