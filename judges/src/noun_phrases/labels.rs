//! Labels of tokens, and the best list of them.

use super::weights::{LABELS, transition};

/// More than any sum of weights comes to.
const FORBIDDEN: i64 = -(1 << 40);

/// Where a token stands and whether it is a noun: positions by three, then the same of nouns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// Where a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// In no chunk.
    Outside,
    /// At the start of a chunk.
    Begin,
    /// Further on in a chunk.
    Inside,
}

impl Label {
    /// Where the token stands.
    pub(super) fn position(self) -> Position {
        match self.0 % 3 {
            0 => Position::Outside,
            1 => Position::Begin,
            _ => Position::Inside,
        }
    }

    /// Whether the token is a common noun.
    pub(super) fn is_noun(self) -> bool {
        self.0 >= 3
    }
}

/// The labels whose sum is the largest (Viterbi's algorithm); among equal ones the first labels, from the end on.
pub(super) fn best_labels(sums: &[[i64; LABELS]]) -> Vec<Label> {
    let Some((first, others)) = sums.split_first() else {
        return Vec::new();
    };
    let between = transitions();
    let mut scores: [i64; LABELS] = std::array::from_fn(|label| first[label] + allowed(None, label));
    let mut came_from = Vec::with_capacity(others.len());
    for sums in others {
        let best: [(usize, i64); LABELS] = std::array::from_fn(|label| {
            largest((0..LABELS).map(|previous| scores[previous] + between[previous][label]))
        });
        scores = std::array::from_fn(|label| best[label].1 + sums[label]);
        came_from.push(best.map(|(previous, _)| previous));
    }
    let (mut label, _) = largest(scores.into_iter());
    let mut labels = vec![Label(label)];
    for previous in came_from.into_iter().rev() {
        label = previous[label];
        labels.push(Label(label));
    }
    labels.reverse();
    labels
}

fn transitions() -> [[i64; LABELS]; LABELS] {
    std::array::from_fn(|previous| std::array::from_fn(|label| allowed(Some(previous), label)))
}

/// What speaks for a label after another one; a chunk goes on only where there is one.
fn allowed(previous: Option<usize>, label: usize) -> i64 {
    let goes_on = Label(label).position() == Position::Inside;
    let in_chunk = previous.is_some_and(|previous| Label(previous).position() != Position::Outside);
    if goes_on && !in_chunk {
        return FORBIDDEN;
    }
    transition(previous, label)
}

/// The first of the largest values, with its place.
fn largest(values: impl Iterator<Item = i64>) -> (usize, i64) {
    let start = (0, i64::MIN);
    values
        .enumerate()
        .fold(start, |best, value| if value.1 > best.1 { value } else { best })
}
