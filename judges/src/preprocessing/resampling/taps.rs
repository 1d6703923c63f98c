//! Which samples of a line each sample of the resized line is made of.

use std::ops::Range;

/// For each position its first sample and the weights of that and the following ones.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::preprocessing) struct Taps<W> {
    firsts: Vec<usize>,
    /// Where the weights of each position end.
    ends: Vec<usize>,
    weights: Vec<W>,
}

impl<W: Copy> Taps<W> {
    /// Asks for each position: its weights are pushed, and its first sample is returned.
    pub(in crate::preprocessing) fn new(
        positions: Range<usize>,
        mut taps_of: impl FnMut(usize, &mut Vec<W>) -> usize,
    ) -> Self {
        let mut taps = Self {
            firsts: Vec::with_capacity(positions.len()),
            ends: Vec::with_capacity(positions.len()),
            weights: Vec::new(),
        };
        for position in positions {
            let first = taps_of(position, &mut taps.weights);
            taps.firsts.push(first);
            taps.ends.push(taps.weights.len());
        }
        taps
    }

    /// Each position is the sample there.
    pub(in crate::preprocessing) fn identity(positions: Range<usize>, one: W) -> Self {
        Self::new(positions, |position, weights| {
            weights.push(one);
            position
        })
    }

    /// How many positions there are.
    pub(super) fn count(&self) -> usize {
        self.firsts.len()
    }

    /// The first sample and the weights of the position with this index.
    pub(super) fn at(&self, index: usize) -> (usize, &[W]) {
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1],
        };
        (self.firsts[index], &self.weights[start..self.ends[index]])
    }

    /// The samples that some position needs.
    pub(super) fn reach(&self) -> Range<usize> {
        let spans = (0..self.count()).map(|index| {
            let (first, weights) = self.at(index);
            first..first + weights.len()
        });
        let widest = spans.reduce(|one, other| one.start.min(other.start)..one.end.max(other.end));
        widest.unwrap_or(0..0)
    }

    /// The same with other weights.
    pub(in crate::preprocessing) fn map<V>(self, convert: impl Fn(W) -> V) -> Taps<V> {
        Taps {
            firsts: self.firsts,
            ends: self.ends,
            weights: self.weights.into_iter().map(convert).collect(),
        }
    }
}
