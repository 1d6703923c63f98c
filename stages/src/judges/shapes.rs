//! The reader of the shapes world as a judge: no model is involved, what an image shows is read off its pixels.

use std::borrow::Cow;
use std::num::NonZeroU32;

use mitune_diffusion::image::RgbImage;

use super::judge::{ColumnKind, Judge, JudgedColumn, JudgedImage, JudgedValue, OpenJudge};
use crate::contract::{StageContext, StageError};
use crate::evaluate::measures::rows::{EvaluationRow, ImageRow, evaluate};
use crate::models::candidate_images::OnlySize;
use crate::shapes::alignment::Failure;
use crate::shapes::render::SIDE;
use crate::shapes::world::{Prompt, PromptError};

/// Tells whether an image of the shapes world shows what its prompt says, and what is wrong with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShapesJudge;

static COLUMNS: [JudgedColumn; 6] = [
    better(
        "shapes_correct",
        "1 if the image shows everything that its prompt says, else 0",
    ),
    better("shapes_objects", "1 if it shows exactly two objects, else 0"),
    better(
        "shapes_colours",
        "1 if the colours of all objects are the prompt's, else 0",
    ),
    better(
        "shapes_shapes",
        "1 if the shapes of all objects are the prompt's, else 0",
    ),
    word(
        "shapes_failure",
        "what is wrong with the image, null for a correct one",
    ),
    word(
        "shapes_read_out",
        "what was read off the image, from left to right",
    ),
];

const fn better(name: &'static str, meaning: &'static str) -> JudgedColumn {
    JudgedColumn {
        name: Cow::Borrowed(name),
        meaning,
        kind: ColumnKind::HigherIsBetter,
    }
}

const fn word(name: &'static str, meaning: &'static str) -> JudgedColumn {
    JudgedColumn {
        name: Cow::Borrowed(name),
        meaning,
        kind: ColumnKind::Word,
    }
}

/// A prompt that is not of the shapes world.
#[derive(Debug, thiserror::Error)]
#[error("`judge: shapes` reads pixels of the shapes world only; prompt `{text}` is not of it")]
struct OtherWorld {
    text: String,
    source: PromptError,
}

impl Judge for ShapesJudge {
    fn name(&self) -> &str {
        "shapes"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn columns(&self) -> &[JudgedColumn] {
        &COLUMNS
    }

    fn only_size(&self) -> Option<OnlySize> {
        Some(OnlySize {
            reader: "judge: shapes",
            of: "the shapes world",
            width: SIDE as u32,
            height: SIDE as u32,
        })
    }

    fn check_prompt(&self, prompt: &str) -> Result<(), StageError> {
        match prompt.parse::<Prompt>() {
            Ok(_) => Ok(()),
            Err(source) => Err(StageError::configuration(OtherWorld {
                text: prompt.to_owned(),
                source,
            })),
        }
    }

    fn open(&self, _: &StageContext<'_>, _: NonZeroU32) -> Result<Box<dyn OpenJudge>, StageError> {
        Ok(Box::new(*self))
    }
}

impl OpenJudge for ShapesJudge {
    fn judge(&self, images: &[JudgedImage<'_>]) -> Result<Vec<Vec<JudgedValue>>, StageError> {
        let colours: Vec<RgbImage> = images.iter().map(|image| image.image.to_rgb()).collect();
        let rows: Vec<ImageRow<'_>> = images
            .iter()
            .zip(&colours)
            .map(|(image, colours)| image_row(image.prompt, colours))
            .collect();
        let read = evaluate(&rows).map_err(StageError::failed)?;
        Ok(read.iter().map(values).collect())
    }
}

/// The reader names prompts in its errors by their ids, which a judge does not know.
fn image_row<'a>(prompt: &'a str, colours: &'a RgbImage) -> ImageRow<'a> {
    ImageRow {
        prompt_id: prompt,
        prompt,
        seed_index: 0,
        pixels: colours.pixels(),
    }
}

fn values(row: &EvaluationRow) -> Vec<JudgedValue> {
    let flag = |holds: bool| JudgedValue::Number(f64::from(u8::from(holds)));
    let failure = row.failure.map(Failure::name).map(str::to_owned);
    vec![
        flag(row.aligned),
        flag(row.objects_ok),
        flag(row.colours_ok),
        flag(row.shapes_ok),
        JudgedValue::Word(failure),
        JudgedValue::Word(Some(row.reading.clone())),
    ]
}
