//! One row per image: what it shows and whether that is what its prompt says.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::shapes::alignment::{Alignment, Failure};
use crate::shapes::reader::Reading;
use crate::shapes::render::{Image, SIDE, VALUES};
use crate::shapes::world::{Prompt, PromptError};

/// An image to be judged.
#[derive(Clone, Copy, Debug)]
pub struct ImageRow<'a> {
    /// The id of the prompt; images of one id are resampled together.
    pub prompt_id: &'a str,
    /// The prompt's text.
    pub prompt: &'a str,
    /// Which image of the prompt it is.
    pub seed_index: u32,
    /// 32 x 32 RGB pixels, 8 bits a channel, row by row.
    pub pixels: &'a [u8],
}

/// The judgement of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationRow {
    /// The id of the prompt.
    pub prompt_id: String,
    /// The prompt's text.
    pub prompt: String,
    /// Which image of the prompt it is.
    pub seed_index: u32,
    /// Everything is as the prompt says.
    pub aligned: bool,
    /// Exactly two objects.
    pub objects_ok: bool,
    /// The colours of all objects are the prompt's.
    pub colours_ok: bool,
    /// The shapes of all objects are the prompt's.
    pub shapes_ok: bool,
    /// Each shape has its own colour; none where colours or shapes are wrong already.
    pub binding_ok: Option<bool>,
    /// What is wrong; none for an aligned image.
    pub failure: Option<Failure>,
    /// What was read, such as `red circle, blue square`, from left to right.
    pub reading: String,
}

impl EvaluationRow {
    /// Reads an image and compares it with its prompt.
    ///
    /// # Errors
    /// When the text is no prompt of the shapes world or the pixels are no 32 x 32 RGB image.
    pub fn of(row: &ImageRow<'_>) -> Result<Self, RowError> {
        let prompt: Prompt = row.prompt.parse().map_err(|source| RowError::Prompt {
            prompt_id: row.prompt_id.to_owned(),
            source,
        })?;
        let image = Image::from_rgb8(row.pixels).ok_or_else(|| RowError::Pixels {
            prompt_id: row.prompt_id.to_owned(),
            seed_index: row.seed_index,
            bytes: row.pixels.len(),
        })?;
        let reading = Reading::of(&image);
        let alignment = Alignment::of(&reading, prompt);
        Ok(Self {
            prompt_id: row.prompt_id.to_owned(),
            prompt: row.prompt.to_owned(),
            seed_index: row.seed_index,
            aligned: alignment.aligned(),
            objects_ok: alignment.objects,
            colours_ok: alignment.colours,
            shapes_ok: alignment.shapes,
            binding_ok: alignment.binding,
            failure: alignment.failure(&reading),
            reading: reading.to_string(),
        })
    }
}

/// Judges images, in parallel, in their order.
///
/// # Errors
/// As `EvaluationRow::of`, for the first image that has one.
pub fn evaluate(images: &[ImageRow<'_>]) -> Result<Vec<EvaluationRow>, RowError> {
    let judged: Vec<Result<EvaluationRow, RowError>> = images.par_iter().map(EvaluationRow::of).collect();
    judged.into_iter().collect()
}

/// Why an image could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say all")]
pub enum RowError {
    #[error("Prompt of id `{prompt_id}` cannot be judged")]
    Prompt { prompt_id: String, source: PromptError },
    #[error(
        "Image `{seed_index}` of prompt `{prompt_id}` has `{bytes}` bytes, expected `{VALUES}` for {SIDE} x {SIDE} RGB"
    )]
    Pixels {
        prompt_id: String,
        seed_index: u32,
        bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::{EvaluationRow, ImageRow, RowError, evaluate};
    use crate::draws::Draws;
    use crate::shapes::alignment::Failure;
    use crate::shapes::render::Image;
    use crate::shapes::scene::Scene;
    use crate::shapes::world::Prompt;

    fn pixels(shown: Prompt, index: u64) -> Vec<u8> {
        Image::render(&Scene::draw(shown, &mut Draws::new("rows test", 0, index))).to_rgb8()
    }

    #[test]
    fn images_of_their_prompt_are_aligned_and_those_of_another_fail_in_its_kind() {
        let asked: Prompt = "a red circle and a blue square".parse().expect("valid");
        let shown = [
            (asked, None),
            (asked.reversed(), None),
            (asked.with_swapped_colours(), Some(Failure::Binding)),
            (
                "a red circle and a green square".parse().expect("valid"),
                Some(Failure::Colour),
            ),
            (
                "a red circle and a blue cross".parse().expect("valid"),
                Some(Failure::Shape),
            ),
            (
                "a green cross and a blue square".parse().expect("valid"),
                Some(Failure::ColourAndShape),
            ),
        ];
        let text = asked.to_string();
        for (index, (content, failure)) in shown.into_iter().enumerate() {
            let pixels = pixels(content, index as u64);
            let row = ImageRow {
                prompt_id: "p",
                prompt: &text,
                seed_index: 4,
                pixels: &pixels,
            };
            let judged = EvaluationRow::of(&row).expect("valid");
            assert_eq!(
                (judged.failure, judged.aligned),
                (failure, failure.is_none()),
                "{content}"
            );
            assert_eq!((judged.prompt_id.as_str(), judged.seed_index), ("p", 4));
            assert_eq!(judged.binding_ok.is_some(), judged.colours_ok && judged.shapes_ok);
            let [first, second] = content.objects();
            let either = [format!("{first}, {second}"), format!("{second}, {first}")];
            assert!(either.contains(&judged.reading), "{}", judged.reading);
        }
    }

    #[test]
    fn order_is_kept_and_bad_rows_are_named() {
        let prompts = Prompt::all();
        let texts: Vec<String> = prompts.iter().map(Prompt::to_string).collect();
        let images: Vec<Vec<u8>> = (0..40)
            .map(|index| pixels(prompts[index * 7], index as u64))
            .collect();
        let mut rows: Vec<ImageRow<'_>> = (0..40)
            .map(|index| ImageRow {
                prompt_id: &texts[index * 7],
                prompt: &texts[index * 7],
                seed_index: index as u32,
                pixels: &images[index],
            })
            .collect();
        let judged = evaluate(&rows).expect("valid");
        assert!(
            judged
                .iter()
                .enumerate()
                .all(|(index, row)| row.seed_index == index as u32 && row.aligned)
        );
        rows[30].pixels = &images[30][1..];
        assert!(matches!(
            evaluate(&rows),
            Err(RowError::Pixels {
                seed_index: 30,
                bytes: 3071,
                ..
            })
        ));
        rows[3].prompt = "a cat";
        assert!(matches!(evaluate(&rows), Err(RowError::Prompt { .. })));
    }
}
