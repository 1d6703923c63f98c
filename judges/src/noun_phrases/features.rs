//! What the chunker adds up for each token: the weights of its features.

use std::ops::Range;

use super::weights::{LABELS, ROWS, row};
use super::word_traits::{Trait, WordTraits};

use Trait::{Class, LastThree, LastTwo, Shape, Word};

/// Parts of a feature: how far from the token, and which trait stands there.
type Template = &'static [(isize, Trait)];

/// All features of a token. Their order is that of training.
const TEMPLATES: [Template; 28] = [
    &[],
    &[(0, Word)],
    &[(-1, Word)],
    &[(1, Word)],
    &[(-2, Word)],
    &[(2, Word)],
    &[(-1, Word), (0, Word)],
    &[(0, Word), (1, Word)],
    &[(-1, Word), (1, Word)],
    &[(-2, Word), (-1, Word)],
    &[(1, Word), (2, Word)],
    &[(0, LastThree)],
    &[(0, LastTwo)],
    &[(-1, LastThree)],
    &[(1, LastThree)],
    &[(0, Shape), (-1, Class)],
    &[(-1, Class), (0, LastThree)],
    &[(0, LastThree), (1, Class)],
    &[(-2, Class), (-1, Class), (0, Class)],
    &[(-1, Class), (0, Class), (1, Class)],
    &[(0, Class), (1, Class), (2, Class)],
    &[(-1, LastTwo), (0, LastTwo), (1, LastTwo)],
    &[(-1, Class), (0, LastThree), (1, Class)],
    &[(0, LastTwo), (1, Word)],
    &[(-1, Word), (0, LastTwo)],
    &[(0, Word), (-2, Class)],
    &[(0, Word), (1, Class), (2, Class)],
    &[(0, Class), (1, Class), (2, Class), (3, Class)],
];
/// How far from a token features look.
const MARGIN: usize = 3;

/// For each token the sum of weights that speaks for each label.
pub(super) fn label_sums(prompt: &str, tokens: &[Range<usize>]) -> Vec<[i64; LABELS]> {
    let words = tokens.iter().map(|token| WordTraits::of(&prompt[token.clone()]));
    let mut traits = vec![WordTraits::before(); MARGIN];
    traits.extend(words);
    traits.extend([WordTraits::after(); MARGIN]);
    (0..tokens.len())
        .map(|token| sums(&traits, token + MARGIN))
        .collect()
}

fn sums(traits: &[WordTraits], place: usize) -> [i64; LABELS] {
    let mut sums = [0; LABELS];
    for (number, template) in (1..).zip(TEMPLATES) {
        let weights = row(feature_row(number, template, traits, place));
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += i64::from(weight.cast_signed());
        }
    }
    sums
}

/// The row of the weights that a feature has; features share rows by chance.
fn feature_row(number: u32, template: Template, traits: &[WordTraits], place: usize) -> usize {
    let mut hash = number.wrapping_mul(0x9e37_79b1);
    for (distance, which) in template {
        let value = traits[place.saturating_add_signed(*distance)].get(*which);
        hash = (hash ^ value).wrapping_mul(0x0100_0193);
        hash ^= hash >> 15;
    }
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash as usize % ROWS
}
