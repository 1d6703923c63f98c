//! The prompts of the shapes world.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shapes::split::Split;
use crate::shapes::world::Prompt;

use super::clean::RawText;
use super::collector::{Collector, RawPrompt};
use super::error::PromptsError;
use super::split::{TEST, TRAIN};

/// Prompts that name two coloured shapes, such as `a red circle and a blue square`.
///
/// `line` is the place of the prompt among all 360. The test prompts of a seed are those that the shipped model has
/// never seen if seed and number of groups are the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShapesSource {
    /// Which side of the split to take. By default, `all`, with the side in the column `split`.
    pub split: ShapesSide,
    /// The seed of the split. By default, 1.
    pub split_seed: u64,
    /// How many of the 90 groups of prompts over the same colours and shapes are for tests. By default, 22.
    pub test_groups: usize,
}

/// A side of the split of the shapes world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShapesSide {
    /// Both sides.
    #[default]
    All,
    /// The prompts to train on.
    Train,
    /// The prompts to test on.
    Test,
}

impl Default for ShapesSource {
    fn default() -> Self {
        Self {
            split: ShapesSide::All,
            split_seed: 1,
            test_groups: 22,
        }
    }
}

impl ShapesSource {
    pub(super) fn validate(&self) -> Result<(), PromptsError> {
        self.draw().map(|_| ())
    }

    pub(super) fn read(&self, collector: &mut Collector<'_>) -> Result<(), PromptsError> {
        for (line, prompt, side) in self.prompts()? {
            let text = prompt.to_string();
            let raw = RawPrompt {
                text: RawText::Bytes(text.as_bytes()),
                category: None,
                split: Some(side),
                line,
            };
            collector.offer(Path::new("shapes"), raw)?;
        }
        Ok(())
    }

    /// The prompts of the wanted side in their order: the place of each among all 360, from 1, and the side it is on.
    ///
    /// # Errors
    /// [`PromptsError::Setting`] if the split is refused.
    pub(crate) fn prompts(&self) -> Result<Vec<(u64, Prompt, &'static str)>, PromptsError> {
        let split = self.draw()?;
        let placed = (1..).zip(Prompt::all()).map(|(line, prompt)| {
            // Both sides are in the order of all prompts, that of the prompts themselves.
            let side = match split.test.binary_search(&prompt) {
                Ok(_) => TEST,
                Err(_) => TRAIN,
            };
            (line, prompt, side)
        });
        let wanted = placed.filter(|&(_, _, side)| match self.split {
            ShapesSide::All => true,
            ShapesSide::Train => side == TRAIN,
            ShapesSide::Test => side == TEST,
        });
        Ok(wanted.collect())
    }

    fn draw(&self) -> Result<Split, PromptsError> {
        Split::draw(self.split_seed, self.test_groups).map_err(|error| PromptsError::Setting {
            setting: "source.shapes.test_groups",
            problem: format!("is refused: {error}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Files, message, rows};
    use super::super::{PromptSource, PromptsConfig, SplitConfig, TestShare};
    use super::*;

    fn read(split: ShapesSide) -> Vec<super::super::fixture::Row> {
        let source = ShapesSource {
            split,
            ..ShapesSource::default()
        };
        rows(
            &Files::new()
                .ingest(PromptSource::Shapes(source))
                .expect("prompts"),
        )
    }

    #[test]
    fn the_sides_are_those_of_the_split() {
        let (all, train, test) = (
            read(ShapesSide::All),
            read(ShapesSide::Train),
            read(ShapesSide::Test),
        );
        assert_eq!((all.len(), train.len(), test.len()), (360, 272, 88));
        let mut both = [train.clone(), test.clone()].concat();
        both.sort_by_key(|row| row.4);
        assert_eq!(both, all);
        let split = Split::draw(1, 22).expect("a split");
        let texts = |prompts: &[Prompt]| prompts.iter().map(Prompt::to_string).collect::<Vec<_>>();
        assert_eq!(
            test.iter().map(|row| row.0.clone()).collect::<Vec<_>>(),
            texts(&split.test)
        );
        assert!(
            test.iter()
                .all(|row| row.2.as_deref() == Some(TEST) && row.3 == "shapes")
        );
        assert!(train.iter().all(|row| row.2.as_deref() == Some(TRAIN)));
    }

    #[test]
    fn splits_that_break_the_world_are_refused() {
        let none = ShapesSource {
            test_groups: 90,
            ..ShapesSource::default()
        };
        let found = message(Files::new().ingest(PromptSource::Shapes(none)));
        assert!(
            found.starts_with("Setting `source.shapes.test_groups` is refused: Split with `90`"),
            "{found}"
        );
        let mut config = PromptsConfig::new(PromptSource::Shapes(ShapesSource::default()));
        config.split = Some(SplitConfig {
            test: TestShare::Fraction(0.5),
            seed: 0,
        });
        let found = message(config.validate());
        assert!(
            found.starts_with("Setting `split` cannot be combined with the source `shapes`"),
            "{found}"
        );
    }
}
