//! Compares what an image shows with what its prompt asked for.

use serde::{Deserialize, Serialize};

use super::reader::Reading;
use super::world::{Colour, Object, Prompt, Shape};

/// In which respects an image does what its prompt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alignment {
    /// Exactly two objects, no more and no less.
    pub objects: bool,
    /// The colours of all objects together are the prompt's two.
    pub colours: bool,
    /// The shapes of all objects together are the prompt's two.
    pub shapes: bool,
    /// Each shape has its own colour; none where colours or shapes are wrong already.
    pub binding: Option<bool>,
}

/// What is wrong with an image; every image that is not aligned has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Fewer than two objects.
    MissingObject,
    /// More than two objects.
    ExtraObject,
    /// Two objects of the right shapes, at least one colour wrong.
    Colour,
    /// Two objects of the right colours, at least one shape wrong.
    Shape,
    /// Two objects, with both colours and shapes wrong.
    ColourAndShape,
    /// The right colours and shapes, the colours on the wrong shapes.
    Binding,
}

impl Failure {
    /// Every kind of failure, in the order of its ordinal.
    pub const ALL: [Failure; 6] = [
        Failure::MissingObject,
        Failure::ExtraObject,
        Failure::Colour,
        Failure::Shape,
        Failure::ColourAndShape,
        Failure::Binding,
    ];

    /// Returns the name used in tables and reports.
    pub fn name(self) -> &'static str {
        match self {
            Failure::MissingObject => "missing_object",
            Failure::ExtraObject => "extra_object",
            Failure::Colour => "colour",
            Failure::Shape => "shape",
            Failure::ColourAndShape => "colour_and_shape",
            Failure::Binding => "binding",
        }
    }
}

impl Alignment {
    /// Compares a reading with a prompt; the order of naming and the places do not matter.
    pub fn of(reading: &Reading, prompt: Prompt) -> Self {
        let wanted = prompt.objects();
        let read = &reading.objects;
        let colours = same_members(
            read.iter().map(|object| object.colour).collect::<Vec<Colour>>(),
            wanted.map(|object| object.colour).to_vec(),
        );
        let shapes = same_members(
            read.iter()
                .map(|object| object.shape)
                .collect::<Vec<Option<Shape>>>(),
            wanted.map(|object| Some(object.shape)).to_vec(),
        );
        let bound = || {
            read.iter().all(|object| {
                object.shape.is_some_and(|shape| {
                    wanted.contains(&Object {
                        colour: object.colour,
                        shape,
                    })
                })
            })
        };
        Self {
            objects: read.len() == wanted.len(),
            colours,
            shapes,
            binding: (colours && shapes).then(bound),
        }
    }

    /// Says whether the image does everything that its prompt says.
    pub fn aligned(self) -> bool {
        self.binding == Some(true)
    }

    /// Returns what is wrong, or none for an aligned image.
    ///
    /// A wrong number of objects goes before everything else, as colours and shapes then cannot be right.
    pub fn failure(self, reading: &Reading) -> Option<Failure> {
        if !self.objects {
            let too_few = reading.objects.len() < 2;
            return Some(if too_few {
                Failure::MissingObject
            } else {
                Failure::ExtraObject
            });
        }
        match (self.colours, self.shapes, self.binding) {
            (_, _, Some(true)) => None,
            (true, true, _) => Some(Failure::Binding),
            (false, true, _) => Some(Failure::Colour),
            (true, false, _) => Some(Failure::Shape),
            (false, false, _) => Some(Failure::ColourAndShape),
        }
    }
}

fn same_members<T: Ord>(mut one: Vec<T>, mut other: Vec<T>) -> bool {
    one.sort_unstable();
    other.sort_unstable();
    one == other
}

#[cfg(test)]
mod tests {
    use super::{Alignment, Failure};
    use crate::shapes::reader::{ReadObject, Reading};
    use crate::shapes::world::{Colour, Prompt, Shape};

    fn reading(objects: &[Shown]) -> Reading {
        let object = |&(colour, shape): &Shown| ReadObject {
            colour,
            shape,
            centroid: [16.0, 16.0],
            area: 80.0,
            overlap: 0.9,
        };
        Reading {
            objects: objects.iter().map(object).collect(),
            specks: 0,
        }
    }

    fn compared(objects: &[Shown]) -> (Alignment, Option<Failure>) {
        let prompt: Prompt = "a red circle and a blue square".parse().expect("valid");
        let reading = reading(objects);
        let alignment = Alignment::of(&reading, prompt);
        (alignment, alignment.failure(&reading))
    }

    type Shown = (Colour, Option<Shape>);

    const RED_CIRCLE: Shown = (Colour::Red, Some(Shape::Circle));
    const BLUE_SQUARE: Shown = (Colour::Blue, Some(Shape::Square));

    #[test]
    fn an_image_that_shows_the_prompt_is_aligned_in_any_order() {
        for objects in [[RED_CIRCLE, BLUE_SQUARE], [BLUE_SQUARE, RED_CIRCLE]] {
            let (alignment, failure) = compared(&objects);
            let expected = Alignment {
                objects: true,
                colours: true,
                shapes: true,
                binding: Some(true),
            };
            assert_eq!((alignment, failure), (expected, None));
            assert!(alignment.aligned());
        }
    }

    #[test]
    fn each_failure_has_its_kind() {
        type Case<'a> = (&'a [Shown], Failure, [bool; 3], Option<bool>);
        let cases: [Case<'_>; 9] = [
            (&[], Failure::MissingObject, [false, false, false], None),
            (&[RED_CIRCLE], Failure::MissingObject, [false, false, false], None),
            (
                &[RED_CIRCLE, BLUE_SQUARE, BLUE_SQUARE],
                Failure::ExtraObject,
                [false, false, false],
                None,
            ),
            (
                &[(Colour::Green, Some(Shape::Circle)), BLUE_SQUARE],
                Failure::Colour,
                [true, false, true],
                None,
            ),
            (
                &[(Colour::Blue, Some(Shape::Circle)), BLUE_SQUARE],
                Failure::Colour,
                [true, false, true],
                None,
            ),
            (
                &[(Colour::Red, Some(Shape::Cross)), BLUE_SQUARE],
                Failure::Shape,
                [true, true, false],
                None,
            ),
            (
                &[(Colour::Red, None), BLUE_SQUARE],
                Failure::Shape,
                [true, true, false],
                None,
            ),
            (
                &[BLUE_SQUARE, BLUE_SQUARE],
                Failure::ColourAndShape,
                [true, false, false],
                None,
            ),
            (
                &[
                    (Colour::Blue, Some(Shape::Circle)),
                    (Colour::Red, Some(Shape::Square)),
                ],
                Failure::Binding,
                [true, true, true],
                Some(false),
            ),
        ];
        for (objects, failure, [objects_ok, colours, shapes], binding) in cases {
            let (alignment, found) = compared(objects);
            let expected = Alignment {
                objects: objects_ok,
                colours,
                shapes,
                binding,
            };
            assert_eq!((alignment, found), (expected, Some(failure)), "{objects:?}");
            assert!(!alignment.aligned());
        }
    }
}
