//! How bright an image is: a judge as small as one can be.

use std::borrow::Cow;
use std::num::NonZeroU32;

use super::judge::{ColumnKind, Judge, JudgedColumn, JudgedImage, JudgedValue, OpenJudge};
use crate::contract::{StageContext, StageError};

pub(super) struct MeanBrightness;

static COLUMNS: [JudgedColumn; 1] = [JudgedColumn {
    name: Cow::Borrowed("brightness"),
    meaning: "mean of all bytes of the image, from 0 to 255",
    kind: ColumnKind::HigherIsBetter,
}];

impl Judge for MeanBrightness {
    fn name(&self) -> &str {
        "brightness"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn columns(&self) -> &[JudgedColumn] {
        &COLUMNS
    }

    fn open(&self, _: &StageContext<'_>, _: NonZeroU32) -> Result<Box<dyn OpenJudge>, StageError> {
        Ok(Box::new(Self))
    }
}

impl OpenJudge for MeanBrightness {
    fn judge(&self, images: &[JudgedImage<'_>]) -> Result<Vec<Vec<JudgedValue>>, StageError> {
        let mean =
            |pixels: &[u8]| pixels.iter().map(|&byte| f64::from(byte)).sum::<f64>() / pixels.len() as f64;
        let values = images
            .iter()
            .map(|image| vec![JudgedValue::Number(mean(image.image.to_rgb().pixels()))]);
        Ok(values.collect())
    }
}
