//! A seeded sample without replacement that stays the same where its population changes.

use std::collections::BinaryHeap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::PromptsError;
use super::identity::{PromptIdentity, first_half};

/// How many prompts to take, and which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleConfig {
    /// Prompts to keep; all are kept where there are fewer.
    pub count: u64,
    /// Another seed gives another sample. By default, 0.
    #[serde(default)]
    pub seed: u64,
}

impl SampleConfig {
    pub(super) fn validate(&self) -> Result<(), PromptsError> {
        if self.count == 0 {
            let problem = "must be at least 1, found `0`".to_owned();
            return Err(PromptsError::Setting {
                setting: "sample.count",
                problem,
            });
        }
        Ok(())
    }
}

/// Keeps the `count` items whose keyed hashes are smallest.
///
/// Each identity is hashed with the seed as a key, so the choice does not depend on the order of items, memory is
/// bounded by the sample, and a new item can only push out one chosen item: by taking its place.
#[derive(Debug)]
pub struct Sample<T> {
    limit: usize,
    key: [u8; 32],
    chosen: BinaryHeap<Entry<T>>,
}

impl<T> Sample<T> {
    /// An empty sample; without a configuration it keeps everything.
    #[must_use]
    pub fn new(config: Option<&SampleConfig>) -> Self {
        let limit = config.map_or(usize::MAX, |config| {
            usize::try_from(config.count).unwrap_or(usize::MAX)
        });
        let seed = config.map_or(0, |config| config.seed);
        let key = blake3::derive_key("mitune v1 prompt sample", &seed.to_le_bytes());
        Self {
            limit,
            key,
            chosen: BinaryHeap::new(),
        }
    }

    /// Offers the item at the place `order` of its source; `make` is called only where it is chosen for now.
    ///
    /// Returns what became of it, and which other item had to make room.
    pub fn offer(&mut self, identity: &PromptIdentity, order: u64, make: impl FnOnce() -> T) -> Offered<T> {
        let rank = (
            first_half(&blake3::keyed_hash(&self.key, identity.as_bytes())),
            order,
        );
        let full = self.chosen.len() >= self.limit;
        if full && self.chosen.peek().is_none_or(|last| last.rank <= rank) {
            return Offered::LeftOut;
        }
        let last = if full { self.chosen.pop() } else { None };
        self.chosen.push(Entry { rank, item: make() });
        last.map_or(Offered::Chosen, |last| Offered::InPlaceOf(last.item))
    }

    /// The chosen items in the order of their source.
    #[must_use]
    pub fn into_chosen(self) -> Vec<T> {
        let mut chosen = self.chosen.into_vec();
        chosen.sort_unstable_by_key(|entry| entry.rank.1);
        chosen.into_iter().map(|entry| entry.item).collect()
    }
}

/// What became of an item that was offered to a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered<T> {
    /// It is chosen for now.
    Chosen,
    /// It is chosen for now, and this other item no longer is.
    InPlaceOf(T),
    /// It is not chosen.
    LeftOut,
}

impl<T> Offered<T> {
    /// Whether one item, this or another, had to be left out.
    #[must_use]
    pub fn leaves_one_out(&self) -> bool {
        !matches!(self, Self::Chosen)
    }
}

#[derive(Debug)]
struct Entry<T> {
    rank: ([u8; 16], u64),
    item: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn identity(item: u32) -> PromptIdentity {
        PromptIdentity::new(None, None, "test", &item.to_string(), 0)
    }

    fn sample(items: &[u32], count: u64, seed: u64) -> Vec<u32> {
        let mut sample = Sample::new(Some(&SampleConfig { count, seed }));
        let mut left_out = 0;
        for (order, item) in items.iter().enumerate() {
            let offered = sample.offer(&identity(*item), order as u64, || *item);
            left_out += usize::from(offered.leaves_one_out());
        }
        let chosen = sample.into_chosen();
        assert_eq!(chosen.len() + left_out, items.len());
        chosen
    }

    fn population() -> impl Strategy<Value = Vec<u32>> {
        proptest::collection::btree_set(any::<u32>(), 1..200).prop_map(|items| items.into_iter().collect())
    }

    proptest! {
        #[test]
        fn it_is_a_subset_in_order_without_replacement(items in population().prop_shuffle(), count in 1_u64..250, seed: u64) {
            let chosen = sample(&items, count, seed);
            prop_assert_eq!(chosen.len(), items.len().min(count as usize));
            let mut rest = items.iter();
            for item in &chosen {
                prop_assert!(rest.any(|other| other == item), "not in the order of the source, or taken twice");
            }
        }

        #[test]
        fn order_does_not_matter(items in population(), count in 1_u64..100, seed: u64) {
            let reversed: Vec<u32> = items.iter().rev().copied().collect();
            let chosen: BTreeSet<u32> = sample(&items, count, seed).into_iter().collect();
            let again: BTreeSet<u32> = sample(&reversed, count, seed).into_iter().collect();
            prop_assert_eq!(chosen, again);
        }

        #[test]
        fn appended_rows_only_take_places(items in population(), kept in 1_usize..200, count in 1_u64..100, seed: u64) {
            let before: BTreeSet<u32> = sample(&items[..kept.min(items.len())], count, seed).into_iter().collect();
            let after: BTreeSet<u32> = sample(&items, count, seed).into_iter().collect();
            let new: BTreeSet<u32> = items[kept.min(items.len())..].iter().copied().collect();
            // What was not chosen before is chosen now only if it is new, and each new one costs at most one old one.
            prop_assert!(after.difference(&before).all(|item| new.contains(item)));
            prop_assert!(before.difference(&after).count() <= after.intersection(&new).count());
        }

        #[test]
        fn a_smaller_sample_is_part_of_a_larger_one(items in population(), small in 1_u64..50, more in 0_u64..50, seed: u64) {
            let small_sample: BTreeSet<u32> = sample(&items, small, seed).into_iter().collect();
            let large_sample: BTreeSet<u32> = sample(&items, small + more, seed).into_iter().collect();
            prop_assert!(small_sample.is_subset(&large_sample));
        }
    }

    #[test]
    fn another_seed_gives_another_sample() {
        let items: Vec<u32> = (0..1000).collect();
        let samples: BTreeSet<Vec<u32>> = (0..50).map(|seed| sample(&items, 20, seed)).collect();
        assert_eq!(samples.len(), 50);
    }

    #[test]
    fn every_item_is_chosen_equally_often() {
        // 4000 samples of 10 of 50: each item is expected 800 times with a standard deviation of 25.3.
        let items: Vec<u32> = (0..50).collect();
        let mut counts = [0_i32; 50];
        for seed in 0..4000 {
            for item in sample(&items, 10, seed) {
                counts[item as usize] += 1;
            }
        }
        assert!(counts.iter().all(|count| (count - 800).abs() < 127), "{counts:?}");
    }

    #[test]
    fn without_a_configuration_everything_is_kept() {
        let mut all = Sample::new(None);
        for item in 0..100 {
            let offered = all.offer(&identity(item), u64::from(item), || item);
            assert_eq!(offered, Offered::Chosen);
        }
        assert_eq!(all.into_chosen(), (0..100).collect::<Vec<_>>());
    }
}
