//! How well a picture shows the place that its prompt gives two things, as T2I-CompBench scores it.
//!
//! The benchmark finds the things with UniDet. No detector is here yet: whoever has one implements [`Detector`].

use crate::pair_judge::JudgeError;
use crate::picture::Picture;

/// Words of a prompt for where things are; the first that a prompt contains counts.
const RELATIONS: [(&str, Relation); 8] = [
    ("on side of", Relation::Near),
    ("next to", Relation::Near),
    ("near", Relation::Near),
    ("on the left of", Relation::LeftOf),
    ("on the right of", Relation::RightOf),
    ("on the bottom of", Relation::BottomOf),
    ("on the top of", Relation::TopOf),
    // The reference looks for these words and then has no rule for them.
    ("on top of", Relation::Unscored),
];
/// Nouns that the detector's labels have one word for.
const PERSONS: [&str; 4] = ["girl", "boy", "man", "woman"];
/// Pixels between centres that still count as near.
const NEAR: f64 = 150.0;
/// From this overlap on, things that lie over each other lose.
const MOST_OVERLAP: f64 = 0.1;
/// Scores below become zero.
const LEAST_SCORE: f64 = 0.5;

/// Finds things in pictures.
pub trait Detector {
    /// The things in each picture, the surest first.
    ///
    /// # Errors
    /// When a picture cannot be prepared, or the network gives no number.
    fn detect(&self, pictures: &[&Picture]) -> Result<Vec<Vec<Detection>>, JudgeError>;
}

/// A thing that was found in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// What it is, in the detector's words.
    pub label: String,
    /// How sure that is, from 0 to 1.
    pub score: f64,
    /// Where it is.
    pub place: PixelBox,
}

/// A rectangle in the picture as the detector sees it: for the benchmark's rules with a shorter side of 479 pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelBox {
    /// Its left edge.
    pub left: f64,
    /// Its upper edge.
    pub top: f64,
    /// Its right edge.
    pub right: f64,
    /// Its lower edge.
    pub bottom: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Near,
    LeftOf,
    RightOf,
    BottomOf,
    TopOf,
    Unscored,
}

/// Scores a picture from 0 to 1 by what was found in it, the surest first. The prompt's first and last noun are the
/// two things; a prompt without nouns, on which the reference fails, has 0.
pub fn spatial_score(prompt: &str, nouns: &[String], found: &[Detection]) -> f64 {
    let thing = |noun: Option<&String>| noun.and_then(|noun| surest(label_of(noun), found));
    let score = match (thing(nouns.first()), thing(nouns.last())) {
        (Some(first), Some(second)) => {
            let things = 0.25 * first.score + 0.25 * second.score;
            things + position_score(relation_of(prompt), first.place, second.place) / 2.0
        }
        (Some(only), None) | (None, Some(only)) => 0.25 * only.score,
        (None, None) => 0.0,
    };
    if score < LEAST_SCORE { 0.0 } else { score }
}

/// The label that a detector has for a noun.
fn label_of(noun: &str) -> &str {
    if PERSONS.contains(&noun) { "person" } else { noun }
}

fn surest<'a>(label: &str, found: &'a [Detection]) -> Option<&'a Detection> {
    found.iter().find(|detection| detection.label == label)
}

fn relation_of(prompt: &str) -> Relation {
    RELATIONS
        .iter()
        .find(|(words, _)| prompt.contains(words))
        .map_or(Relation::Unscored, |(_, relation)| *relation)
}

fn position_score(relation: Relation, first: PixelBox, second: PixelBox) -> f64 {
    let [from, to] = [first, second].map(PixelBox::centre);
    let (right, down) = (to[0] - from[0], to[1] - from[1]);
    let holds = match relation {
        Relation::Near => return nearness(right.abs(), down.abs()),
        Relation::LeftOf => right > 0.0 && right.abs() > down.abs(),
        Relation::RightOf => right < 0.0 && right.abs() > down.abs(),
        Relation::BottomOf => down < 0.0 && down.abs() > right.abs(),
        Relation::TopOf => down > 0.0 && down.abs() > right.abs(),
        Relation::Unscored => false,
    };
    if holds {
        apartness(first.overlap(second))
    } else {
        0.0
    }
}

fn nearness(across: f64, along: f64) -> f64 {
    if across < NEAR || along < NEAR {
        1.0
    } else {
        NEAR / across.max(along)
    }
}

fn apartness(overlap: f64) -> f64 {
    if overlap < MOST_OVERLAP {
        1.0
    } else {
        MOST_OVERLAP / overlap
    }
}

impl PixelBox {
    fn centre(self) -> [f64; 2] {
        [(self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0]
    }

    fn area(self) -> f64 {
        (self.right - self.left) * (self.bottom - self.top)
    }

    /// Intersection over union; of two empty boxes none, where the reference divides by zero.
    fn overlap(self, other: Self) -> f64 {
        let across = (self.right.min(other.right) - self.left.max(other.left)).max(0.0);
        let along = (self.bottom.min(other.bottom) - self.top.max(other.top)).max(0.0);
        let intersection = across * along;
        let union = self.area() + other.area() - intersection;
        if union > 0.0 { intersection / union } else { 0.0 }
    }
}

#[cfg(test)]
mod tests;
