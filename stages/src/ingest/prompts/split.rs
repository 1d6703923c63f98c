//! A seeded split into train and test prompts that share no prompt.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::PromptsError;
use super::identity::first_half;

/// The value of the column `split` for prompts to train on.
pub const TRAIN: &str = "train";
/// The value of the column `split` for prompts to test on.
pub const TEST: &str = "test";

/// Which prompts are held out for tests; replaces the split that a source knows.
///
/// The text decides, with case and white space evened out: all rows of one prompt are on one side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// How many prompts are held out.
    pub test: TestShare,
    /// Another seed holds out others. By default, 0.
    #[serde(default)]
    pub seed: u64,
}

/// How many prompts are held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TestShare {
    /// This many distinct prompts. A new prompt may take the place of one of them.
    Count(u64),
    /// About this fraction of distinct prompts, above 0 and below 1. New prompts move no other prompt.
    Fraction(f64),
}

impl SplitConfig {
    pub(super) fn validate(&self) -> Result<(), PromptsError> {
        let refuse = |setting, problem| Err(PromptsError::Setting { setting, problem });
        match self.test {
            TestShare::Count(0) => refuse("split.test.count", "must be at least 1, found `0`".to_owned()),
            TestShare::Fraction(share) if !(share > 0.0 && share < 1.0) => refuse(
                "split.test.fraction",
                format!("must be above 0 and below 1, found `{share}`"),
            ),
            TestShare::Count(_) | TestShare::Fraction(_) => Ok(()),
        }
    }
}

/// For each text, whether it is held out.
///
/// # Errors
/// A side without prompts, where there are any: too few distinct prompts for the share.
pub fn held_out<'a>(
    config: &SplitConfig,
    texts: impl Iterator<Item = &'a str>,
) -> Result<Vec<bool>, PromptsError> {
    let key = blake3::derive_key("mitune v1 prompt split", &config.seed.to_le_bytes());
    let draws: Vec<u128> = texts.map(|text| draw(&key, text)).collect();
    let distinct: BTreeSet<u128> = draws.iter().copied().collect();
    let test: BTreeSet<u128> = match config.test {
        TestShare::Count(count) => distinct
            .iter()
            .copied()
            .take(usize::try_from(count).unwrap_or(usize::MAX))
            .collect(),
        TestShare::Fraction(share) => distinct
            .iter()
            .copied()
            .filter(|draw| unit_interval(*draw) < share)
            .collect(),
    };
    for (side, size) in [(TEST, test.len()), (TRAIN, distinct.len() - test.len())] {
        if size == 0 && !distinct.is_empty() {
            return Err(PromptsError::EmptySplit {
                side,
                distinct: distinct.len(),
                test: test.len(),
            });
        }
    }
    Ok(draws.iter().map(|draw| test.contains(draw)).collect())
}

/// A uniform number that depends on the words of the text alone.
fn draw(key: &[u8; 32], text: &str) -> u128 {
    let folded: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    u128::from_be_bytes(first_half(&blake3::keyed_hash(key, folded.join(" ").as_bytes())))
}

/// The upper 53 bits as a number in [0, 1), which f64 holds exactly.
fn unit_interval(draw: u128) -> f64 {
    (draw >> 75) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(test: TestShare, seed: u64, texts: &[String]) -> Result<Vec<bool>, PromptsError> {
        held_out(&SplitConfig { test, seed }, texts.iter().map(String::as_str))
    }

    fn texts() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[abcABC]{1,2}( |  )[ab]", 2..120)
    }

    fn share() -> impl Strategy<Value = TestShare> {
        prop_oneof![
            (1_u64..40).prop_map(TestShare::Count),
            (0.05..0.95).prop_map(TestShare::Fraction)
        ]
    }

    fn words(text: &str) -> String {
        text.to_lowercase()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    proptest! {
        #[test]
        fn no_prompt_is_on_both_sides(texts in texts(), share in share(), seed: u64) {
            let distinct: BTreeSet<String> = texts.iter().map(|text| words(text)).collect();
            match split(share.clone(), seed, &texts) {
                Ok(held_out) => {
                    let side = |test: bool| -> BTreeSet<String> {
                        texts.iter().zip(&held_out).filter(|(_, held)| **held == test).map(|(text, _)| words(text)).collect()
                    };
                    prop_assert!(side(true).is_disjoint(&side(false)));
                    prop_assert!(!side(true).is_empty() && !side(false).is_empty());
                    if let TestShare::Count(count) = share {
                        prop_assert_eq!(side(true).len() as u64, count);
                    }
                }
                Err(PromptsError::EmptySplit { .. }) => match share {
                    TestShare::Count(count) => prop_assert!(count >= distinct.len() as u64),
                    TestShare::Fraction(_) => prop_assert!(distinct.len() < 100),
                },
                Err(error) => prop_assert!(false, "{error}"),
            }
        }

        #[test]
        fn a_fraction_moves_no_prompt_when_others_come(texts in texts(), kept in 2_usize..100, seed: u64) {
            let kept = kept.min(texts.len());
            let share = TestShare::Fraction(0.5);
            if let (Ok(before), Ok(after)) = (split(share.clone(), seed, &texts[..kept]), split(share, seed, &texts)) {
                prop_assert_eq!(&before[..], &after[..kept]);
            }
        }
    }

    #[test]
    fn a_fraction_is_met_on_average() {
        let texts: Vec<String> = (0..20_000).map(|number| format!("prompt {number}")).collect();
        let held_out = split(TestShare::Fraction(0.2), 3, &texts).expect("a split");
        let test = held_out.iter().filter(|held| **held).count() as i64;
        // Standard deviation 56.6.
        assert!((test - 4000).abs() < 283, "{test}");
    }

    #[test]
    fn another_seed_holds_out_others() {
        let texts: Vec<String> = (0..100).map(|number| format!("prompt {number}")).collect();
        let splits: BTreeSet<Vec<bool>> = (0..20)
            .map(|seed| split(TestShare::Count(20), seed, &texts).expect("a split"))
            .collect();
        assert_eq!(splits.len(), 20);
    }

    #[test]
    fn shares_outside_their_range_are_refused() {
        for test in [
            TestShare::Count(0),
            TestShare::Fraction(0.0),
            TestShare::Fraction(1.0),
            TestShare::Fraction(f64::NAN),
        ] {
            assert!(matches!(
                SplitConfig { test, seed: 0 }.validate(),
                Err(PromptsError::Setting { .. })
            ));
        }
        assert!(
            SplitConfig {
                test: TestShare::Fraction(0.5),
                seed: 0
            }
            .validate()
            .is_ok()
        );
    }
}
