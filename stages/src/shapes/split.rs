//! The division of the 360 prompts into training and test prompts.

use std::collections::BTreeMap;

use thiserror::Error;

use super::world::{Colour, Prompt, Shape};
use crate::draws::Draws;

/// The number of groups that a split keeps together: 15 pairs of colours times 6 pairs of shapes.
pub const GROUPS: usize = 90;

/// Prompts per group: two orders times two ways to bind the colours.
pub const GROUP_SIZE: usize = 4;

/// Disjoint training and test prompts, each in the order of `Prompt::all`.
///
/// A group, that is all prompts over the same two colours and the same two shapes, falls on one side as a whole.
/// So both orders of a pair stay together, and a training caption whose colours were swapped never is a test
/// prompt, which would teach the model to get exactly the test prompts wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Prompts for training.
    pub train: Vec<Prompt>,
    /// Prompts that training never shows.
    pub test: Vec<Prompt>,
}

impl Split {
    /// Draws `test_groups` of the 90 groups for the test side.
    ///
    /// # Errors
    /// When a side would be empty.
    pub fn draw(seed: u64, test_groups: usize) -> Result<Self, SplitError> {
        if test_groups == 0 || test_groups >= GROUPS {
            return Err(SplitError::EmptySide { test_groups });
        }
        let mut groups: BTreeMap<Group, Vec<Prompt>> = BTreeMap::new();
        for prompt in Prompt::all() {
            groups.entry(group(prompt)).or_default().push(prompt);
        }
        let mut members: Vec<Vec<Prompt>> = groups.into_values().collect();
        Draws::new("shapes split", seed, 0).shuffle(&mut members);
        let mut test: Vec<Prompt> = members[..test_groups].concat();
        let mut train: Vec<Prompt> = members[test_groups..].concat();
        test.sort_unstable();
        train.sort_unstable();
        Ok(Self { train, test })
    }
}

/// Why a split was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say all")]
pub enum SplitError {
    #[error("Split with `{test_groups}` test groups leaves one side empty, expected 1 to {} of {GROUPS}", GROUPS - 1)]
    EmptySide { test_groups: usize },
}

type Group = ([Colour; 2], [Shape; 2]);

fn group(prompt: Prompt) -> Group {
    let [first, second] = prompt.objects();
    let mut colours = [first.colour, second.colour];
    let mut shapes = [first.shape, second.shape];
    colours.sort_unstable();
    shapes.sort_unstable();
    (colours, shapes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{GROUP_SIZE, GROUPS, Split, SplitError};
    use crate::shapes::world::Prompt;

    #[test]
    fn sides_are_disjoint_complete_and_closed_under_order_and_colour_swap() {
        for seed in 0..20 {
            let split = Split::draw(seed, 30).expect("valid");
            assert_eq!(split.test.len(), 30 * GROUP_SIZE);
            assert_eq!(split.train.len(), (GROUPS - 30) * GROUP_SIZE);
            for side in [&split.train, &split.test] {
                let members: BTreeSet<Prompt> = side.iter().copied().collect();
                assert_eq!(members.len(), side.len());
                assert!(side.is_sorted());
                for prompt in side {
                    assert!(members.contains(&prompt.reversed()));
                    assert!(members.contains(&prompt.with_swapped_colours()));
                }
            }
            let all: BTreeSet<Prompt> = split.train.iter().chain(&split.test).copied().collect();
            assert_eq!(all.len(), Prompt::COUNT);
        }
    }

    #[test]
    fn a_seed_fixes_the_split_and_another_seed_changes_it() {
        assert_eq!(Split::draw(1, 30), Split::draw(1, 30));
        assert_ne!(Split::draw(1, 30), Split::draw(2, 30));
    }

    #[test]
    fn an_empty_side_is_refused() {
        assert_eq!(Split::draw(0, 0), Err(SplitError::EmptySide { test_groups: 0 }));
        assert_eq!(
            Split::draw(0, GROUPS),
            Err(SplitError::EmptySide { test_groups: GROUPS })
        );
        assert!(Split::draw(0, GROUPS - 1).is_ok());
    }
}
