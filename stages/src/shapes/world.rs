//! What exists in the shapes world: four shapes, six colours, and the 360 prompts that name two objects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A shape of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// A disc.
    Circle,
    /// An axis-parallel square.
    Square,
    /// A triangle that stands on its base.
    Triangle,
    /// An upright cross with arms of equal length.
    Cross,
}

impl Shape {
    /// Every shape, in the order of its ordinal.
    pub const ALL: [Shape; 4] = [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Cross];

    /// Returns the word that prompts use.
    pub fn word(self) -> &'static str {
        match self {
            Shape::Circle => "circle",
            Shape::Square => "square",
            Shape::Triangle => "triangle",
            Shape::Cross => "cross",
        }
    }
}

/// A colour of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say all")]
pub enum Colour {
    Red,
    Green,
    Blue,
    Yellow,
    Purple,
    Orange,
}

impl Colour {
    /// Every colour, in the order of its ordinal.
    pub const ALL: [Colour; 6] = [
        Colour::Red,
        Colour::Green,
        Colour::Blue,
        Colour::Yellow,
        Colour::Purple,
        Colour::Orange,
    ];

    /// Returns the word that prompts use.
    pub fn word(self) -> &'static str {
        match self {
            Colour::Red => "red",
            Colour::Green => "green",
            Colour::Blue => "blue",
            Colour::Yellow => "yellow",
            Colour::Purple => "purple",
            Colour::Orange => "orange",
        }
    }

    /// Returns the palette entry, RGB in [0, 1].
    pub fn rgb(self) -> [f32; 3] {
        match self {
            Colour::Red => [0.90, 0.10, 0.10],
            Colour::Green => [0.12, 0.70, 0.22],
            Colour::Blue => [0.12, 0.24, 0.92],
            Colour::Yellow => [0.95, 0.86, 0.12],
            Colour::Purple => [0.58, 0.16, 0.76],
            Colour::Orange => [0.96, 0.53, 0.08],
        }
    }
}

/// A shape of one colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Object {
    /// The colour of the whole shape.
    pub colour: Colour,
    /// The shape.
    pub shape: Shape,
}

impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.colour.word(), self.shape.word())
    }
}

/// Two objects of distinct colours and distinct shapes, in the order in which they are named.
///
/// Displays and parses as `a red circle and a blue square`; the article is `a` throughout, also before `orange`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prompt {
    first: Object,
    second: Object,
}

impl Prompt {
    /// The number of prompts: 6 x 5 ordered colours times 4 x 3 ordered shapes.
    pub const COUNT: usize = 360;

    /// Names two objects.
    ///
    /// # Errors
    /// When they share their colour or their shape.
    pub fn new(first: Object, second: Object) -> Result<Self, PromptError> {
        if first.colour == second.colour {
            Err(PromptError::SameColour(first.colour.word()))
        } else if first.shape == second.shape {
            Err(PromptError::SameShape(first.shape.word()))
        } else {
            Ok(Self { first, second })
        }
    }

    /// Returns all 360 prompts in their fixed order, that of their ordinals.
    pub fn all() -> Vec<Prompt> {
        let objects = || {
            Colour::ALL
                .into_iter()
                .flat_map(|colour| Shape::ALL.map(|shape| Object { colour, shape }))
        };
        objects()
            .flat_map(|first| objects().filter_map(move |second| Prompt::new(first, second).ok()))
            .collect()
    }

    /// Returns the two objects in the order in which they are named.
    pub fn objects(self) -> [Object; 2] {
        [self.first, self.second]
    }

    /// Returns the prompt that names the same two objects the other way round.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            first: self.second,
            second: self.first,
        }
    }

    /// Returns the prompt with the two colours exchanged between the shapes.
    #[must_use]
    pub fn with_swapped_colours(self) -> Self {
        let [first, second] = self.objects();
        Self {
            first: Object {
                colour: second.colour,
                ..first
            },
            second: Object {
                colour: first.colour,
                ..second
            },
        }
    }
}

impl fmt::Display for Prompt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a {} and a {}", self.first, self.second)
    }
}

impl FromStr for Prompt {
    type Err = PromptError;

    fn from_str(text: &str) -> Result<Self, PromptError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let ["a", colour_1, shape_1, "and", "a", colour_2, shape_2] = words[..] else {
            return Err(PromptError::NotATemplate(text.to_owned()));
        };
        Prompt::new(
            Object {
                colour: colour_1.parse()?,
                shape: shape_1.parse()?,
            },
            Object {
                colour: colour_2.parse()?,
                shape: shape_2.parse()?,
            },
        )
    }
}

impl FromStr for Shape {
    type Err = PromptError;

    fn from_str(word: &str) -> Result<Self, PromptError> {
        Shape::ALL
            .into_iter()
            .find(|shape| shape.word() == word)
            .ok_or_else(|| PromptError::UnknownShape(word.to_owned()))
    }
}

impl FromStr for Colour {
    type Err = PromptError;

    fn from_str(word: &str) -> Result<Self, PromptError> {
        Colour::ALL
            .into_iter()
            .find(|colour| colour.word() == word)
            .ok_or_else(|| PromptError::UnknownColour(word.to_owned()))
    }
}

/// Why a text is not a prompt of the shapes world.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say all")]
pub enum PromptError {
    #[error("Prompt `{0}` is not of the form `a COLOUR SHAPE and a COLOUR SHAPE`")]
    NotATemplate(String),
    #[error("Unknown colour `{0}`, expected red, green, blue, yellow, purple or orange")]
    UnknownColour(String),
    #[error("Unknown shape `{0}`, expected circle, square, triangle or cross")]
    UnknownShape(String),
    #[error("Both objects are `{0}`, expected two distinct colours")]
    SameColour(&'static str),
    #[error("Both objects are of shape `{0}`, expected two distinct shapes")]
    SameShape(&'static str),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Prompt, PromptError};

    #[test]
    fn there_are_360_distinct_prompts_and_each_survives_its_text() {
        let prompts = Prompt::all();
        let texts: BTreeSet<String> = prompts.iter().map(Prompt::to_string).collect();
        assert_eq!(prompts.len(), Prompt::COUNT);
        assert_eq!(texts.len(), Prompt::COUNT);
        assert!(prompts.is_sorted());
        assert_eq!(prompts[0].to_string(), "a red circle and a green square");
        for prompt in prompts {
            assert_eq!(prompt.to_string().parse(), Ok(prompt));
        }
    }

    #[test]
    fn reversing_and_swapping_colours_are_their_own_inverse() {
        let prompt: Prompt = "a red circle and a blue square".parse().expect("valid");
        assert_eq!(prompt.reversed().to_string(), "a blue square and a red circle");
        assert_eq!(
            prompt.with_swapped_colours().to_string(),
            "a blue circle and a red square"
        );
        for prompt in Prompt::all() {
            assert_eq!(prompt.reversed().reversed(), prompt);
            assert_eq!(prompt.with_swapped_colours().with_swapped_colours(), prompt);
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_reason() {
        let error = |text: &str| text.parse::<Prompt>().expect_err("refused");
        assert!(matches!(error(""), PromptError::NotATemplate(_)));
        assert!(matches!(error("a red circle"), PromptError::NotATemplate(_)));
        assert!(matches!(
            error("a red circle and a pink square"),
            PromptError::UnknownColour(_)
        ));
        assert!(matches!(
            error("a red circle and a blue star"),
            PromptError::UnknownShape(_)
        ));
        assert!(matches!(
            error("a red circle and a red square"),
            PromptError::SameColour("red")
        ));
        assert!(matches!(
            error("a red cross and a blue cross"),
            PromptError::SameShape("cross")
        ));
    }
}
