//! Judges of images: an image and its prompt in, named numbers and words out.
//!
//! A judge is a file here that implements [`Judge`] and has a name in [`JudgeKind`]; the stage `judge` does the rest.

#[cfg(test)]
mod brightness;
mod judge;
mod shapes;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use judge::{ColumnKind, Judge, JudgedColumn, JudgedImage, JudgedValue, OpenJudge};
pub use shapes::ShapesJudge;

pub use crate::models::candidate_images::OnlySize;

/// A judge of images.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JudgeKind {
    /// Reads off the pixels what an image of the shapes world shows, and compares it with the prompt.
    Shapes,
    /// How bright an image is, for tests.
    #[cfg(test)]
    Brightness,
}

impl JudgeKind {
    /// Makes the judge, without its weights.
    pub fn judge(&self) -> Box<dyn Judge> {
        match self {
            Self::Shapes => Box::new(ShapesJudge),
            #[cfg(test)]
            Self::Brightness => Box::new(brightness::MeanBrightness),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::JudgeKind;

    /// Columns of several judges stand side by side in a selection or a report.
    #[test]
    fn columns_are_named_after_their_judge() {
        let mut seen = BTreeSet::new();
        for judge in [JudgeKind::Shapes, JudgeKind::Brightness].map(|kind| kind.judge()) {
            for column in judge.columns() {
                let rest = column.name.strip_prefix(judge.name());
                assert!(
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_')),
                    "{}",
                    column.name
                );
                assert!(seen.insert(column.name), "{}", column.name);
                assert!(!column.meaning.is_empty());
            }
        }
    }
}
