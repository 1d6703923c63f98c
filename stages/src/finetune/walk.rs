//! Which examples each micro-batch of a training takes.

use std::iter::repeat_n;
use std::num::{NonZeroU32, NonZeroUsize};

use mitune_diffusion::training::Draws as TrainingDraws;

use super::buckets::Buckets;
use crate::draws::Draws;

/// An endless walk over examples, each once in every pass, in micro-batches of one shape.
///
/// In a pass every bucket takes its examples in the order that a shuffle of all of them gives. It has as many turns as
/// fill its examples into micro-batches; where the last one is not full it takes on from its next pass, which then has
/// fewer left. Turns of a pass stand in a seeded order. Everything follows from the number of the micro-batch, so that
/// a resumed training has nothing to remember; with one shape the examples follow each other as if there were no
/// buckets.
pub(super) struct Walk {
    buckets: Buckets,
    draws: TrainingDraws,
    seed: u64,
    /// Examples of a micro-batch.
    together: u64,
}

/// The examples of a micro-batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Which shape they have.
    pub(super) bucket: usize,
    /// Their places.
    pub(super) examples: Vec<usize>,
}

impl Walk {
    pub(super) fn new(buckets: Buckets, seed: u64, together: NonZeroU32) -> Self {
        Self {
            buckets,
            draws: TrainingDraws::new(seed),
            seed,
            together: u64::from(together.get()),
        }
    }

    pub(super) fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    /// Examples of a micro-batch.
    pub(super) fn together(&self) -> u64 {
        self.together
    }

    /// The examples of a micro-batch by its number in the training.
    pub(super) fn turn(&self, number: u64) -> Turn {
        let (bucket, own) = self.place(number);
        let first = own * self.together;
        let size = self.buckets.sizes()[bucket] as u64;
        let mut pass = None;
        let mut order = Vec::new();
        let examples = (first..first + self.together).map(|position| {
            if pass != Some(position / size) {
                pass = Some(position / size);
                order = self.order(bucket, position / size);
            }
            order[(position % size) as usize]
        });
        Turn {
            examples: examples.collect(),
            bucket,
        }
    }

    /// The examples of a bucket in the order of one of its passes.
    fn order(&self, bucket: usize, pass: u64) -> Vec<usize> {
        let all = NonZeroUsize::new(self.buckets.examples()).unwrap_or(NonZeroUsize::MIN);
        let count = all.get() as u64;
        let mut order = self.draws.items(pass * count..(pass + 1) * count, all);
        order.retain(|&example| self.buckets.bucket_of(example) == bucket);
        order
    }

    /// The bucket of a micro-batch, and its number among those of the bucket.
    fn place(&self, number: u64) -> (usize, u64) {
        let pass = self.pass_of(number);
        let (before, after) = (self.begun(pass), self.begun(pass + 1));
        let turns_of = |bucket: usize| repeat_n(bucket, (after[bucket] - before[bucket]) as usize);
        let mut turns: Vec<usize> = (0..before.len()).flat_map(turns_of).collect();
        Draws::new("finetune buckets", self.seed, pass).shuffle(&mut turns);
        let turn = (number - before.iter().sum::<u64>()) as usize;
        let bucket = turns[turn];
        let earlier = turns[..turn].iter().filter(|other| **other == bucket).count();
        (bucket, before[bucket] + earlier as u64)
    }

    /// The pass over all examples that a micro-batch belongs to.
    fn pass_of(&self, number: u64) -> u64 {
        let all = self.buckets.examples().max(1) as u64;
        // After so many passes there are more micro-batches than `number`, since none holds more than its examples.
        let (mut pass, mut beyond) = (0, number * self.together / all + 1);
        while beyond - pass > 1 {
            let middle = pass + (beyond - pass) / 2;
            match self.begun(middle).iter().sum::<u64>() <= number {
                true => pass = middle,
                false => beyond = middle,
            }
        }
        pass
    }

    /// How many micro-batches of each bucket a number of passes takes.
    fn begun(&self, passes: u64) -> Vec<u64> {
        let sizes = self.buckets.sizes().iter();
        sizes
            .map(|size| (passes * *size as u64).div_ceil(self.together))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: [usize; 3] = [4, 8, 8];
    const LARGE: [usize; 3] = [4, 12, 12];

    fn walk(shapes: &[[usize; 3]], together: u32) -> Walk {
        let buckets = Buckets::of(shapes.iter().copied());
        Walk::new(buckets, 7, NonZeroU32::new(together).unwrap())
    }

    #[test]
    fn examples_of_one_shape_follow_each_other_as_without_buckets() {
        let count = NonZeroUsize::new(5).unwrap();
        for together in [1, 2, 3, 8] {
            let walk = walk(&[SMALL; 5], together);
            for number in 0..20 {
                let first = number * u64::from(together);
                let positions = first..first + u64::from(together);
                let expected = TrainingDraws::new(7).items(positions, count);
                let turn = walk.turn(number);
                assert_eq!(
                    (turn.bucket, turn.examples),
                    (0, expected),
                    "{number} of {together}"
                );
            }
        }
    }

    #[test]
    fn every_example_comes_once_in_every_pass_beside_its_like() {
        let shapes = [SMALL, LARGE, SMALL, SMALL, LARGE, SMALL, SMALL, SMALL, [4, 8, 4]];
        for together in [1, 2, 3, 4, 11] {
            let walk = walk(&shapes, together);
            let mut seen = vec![0_u64; shapes.len()];
            let mut number = 0;
            for pass in 0..12 {
                let until: u64 = walk.begun(pass + 1).iter().sum();
                while number < until {
                    let turn = walk.turn(number);
                    assert_eq!(turn.examples.len(), together as usize);
                    for example in turn.examples {
                        assert_eq!(walk.buckets().bucket_of(example), turn.bucket);
                        seen[example] += 1;
                    }
                    number += 1;
                }
                // Nobody is behind, and nobody further ahead than what fills a micro-batch of its bucket.
                for (example, times) in seen.iter().enumerate() {
                    let size = walk.buckets().sizes()[walk.buckets().bucket_of(example)] as u64;
                    let most = pass + 1 + u64::from(together).div_ceil(size);
                    assert!((pass + 1..=most).contains(times), "{example}: {times} in {pass}");
                }
            }
        }
    }

    #[test]
    fn turns_of_buckets_are_mixed() {
        let shapes = [[SMALL; 8], [LARGE; 8]].concat();
        let walk = walk(&shapes, 2);
        let buckets = |pass: u64| -> Vec<usize> {
            (pass * 8..(pass + 1) * 8)
                .map(|number| walk.turn(number).bucket)
                .collect()
        };
        assert_ne!(buckets(0), [0, 0, 0, 0, 1, 1, 1, 1]);
        assert!((1..5).any(|pass| buckets(pass) != buckets(0)));
        assert!((0..5).all(|pass| buckets(pass).iter().sum::<usize>() == 4));
    }
}
