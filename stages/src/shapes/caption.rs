//! Captions that fail to describe their image, the way captions of the web do.

use serde::{Deserialize, Serialize};

use super::world::{Colour, Object, Prompt, Shape};
use crate::draws::Draws;

/// How a caption relates to its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptionKind {
    /// Names both objects as they are.
    Faithful,
    /// Describes another image, with which it shares no object.
    Unrelated,
    /// Names one of the two objects only.
    MissingObject,
    /// Names one object rightly and another shape in place of the second.
    ReplacedObject,
    /// Leaves out the colour of one object.
    MissingColour,
    /// Gives one object a colour that no object of the image has.
    ReplacedColour,
    /// Exchanges the colours of the two objects.
    SwappedColours,
    /// Is empty, for classifier-free guidance.
    Empty,
}

/// A caption and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// How it relates to the image.
    pub kind: CaptionKind,
    /// The text that a model is trained on.
    pub text: String,
}

impl CaptionKind {
    /// Every kind, in the order of its ordinal.
    pub const ALL: [CaptionKind; 8] = [
        CaptionKind::Faithful,
        CaptionKind::Unrelated,
        CaptionKind::MissingObject,
        CaptionKind::ReplacedObject,
        CaptionKind::MissingColour,
        CaptionKind::ReplacedColour,
        CaptionKind::SwappedColours,
        CaptionKind::Empty,
    ];

    /// Returns the name used in tables and configurations.
    pub fn name(self) -> &'static str {
        match self {
            CaptionKind::Faithful => "faithful",
            CaptionKind::Unrelated => "unrelated",
            CaptionKind::MissingObject => "missing_object",
            CaptionKind::ReplacedObject => "replaced_object",
            CaptionKind::MissingColour => "missing_colour",
            CaptionKind::ReplacedColour => "replaced_colour",
            CaptionKind::SwappedColours => "swapped_colours",
            CaptionKind::Empty => "empty",
        }
    }

    /// Draws a caption of this kind for an image of `prompt`.
    ///
    /// Captions that name two coloured objects are taken from `allowed`, so that a model never reads a prompt that
    /// was held back. `None` when `allowed` has no caption of this kind for the prompt.
    pub fn caption(self, prompt: Prompt, allowed: &[Prompt], draws: &mut Draws) -> Option<Caption> {
        let text = match self {
            CaptionKind::Faithful => prompt.to_string(),
            CaptionKind::Empty => String::new(),
            CaptionKind::MissingObject => format!("a {}", prompt.objects()[draws.below(2) as usize]),
            CaptionKind::MissingColour => {
                let [first, second] = prompt.objects();
                if draws.below(2) == 0 {
                    format!("a {} and a {second}", first.shape.word())
                } else {
                    format!("a {first} and a {}", second.shape.word())
                }
            }
            CaptionKind::Unrelated
            | CaptionKind::ReplacedObject
            | CaptionKind::ReplacedColour
            | CaptionKind::SwappedColours => self.other_prompt(prompt, allowed, draws)?.to_string(),
        };
        Some(Caption { kind: self, text })
    }

    /// Says whether `caption` is what this kind makes of a faithful `prompt`, both naming two coloured objects.
    pub(crate) fn relates(self, prompt: Prompt, caption: Prompt) -> bool {
        let [first, second] = prompt.objects();
        let [named_first, named_second] = caption.objects();
        match self {
            CaptionKind::Faithful => caption == prompt,
            CaptionKind::Unrelated => {
                let shared = [first, second]
                    .iter()
                    .any(|object| *object == named_first || *object == named_second);
                let swapped = prompt.with_swapped_colours();
                !shared && caption != swapped && caption != swapped.reversed()
            }
            CaptionKind::ReplacedObject => {
                (named_first == first && named_second.shape != second.shape)
                    || (named_second == second && named_first.shape != first.shape)
            }
            CaptionKind::ReplacedColour => {
                let same_shapes = named_first.shape == first.shape && named_second.shape == second.shape;
                let foreign =
                    |object: Object| object.colour != first.colour && object.colour != second.colour;
                same_shapes
                    && ((named_first == first && foreign(named_second))
                        || (named_second == second && foreign(named_first)))
            }
            CaptionKind::SwappedColours => caption == prompt.with_swapped_colours(),
            CaptionKind::MissingObject | CaptionKind::MissingColour | CaptionKind::Empty => false,
        }
    }

    /// Draws uniformly among the allowed prompts that this kind makes of `prompt`.
    fn other_prompt(self, prompt: Prompt, allowed: &[Prompt], draws: &mut Draws) -> Option<Prompt> {
        let related = || allowed.iter().filter(|caption| self.relates(prompt, **caption));
        let count = u32::try_from(related().count()).ok().filter(|count| *count > 0)?;
        related().nth(draws.below(count) as usize).copied()
    }
}

/// The words of every caption, for building a vocabulary.
pub fn words() -> Vec<&'static str> {
    let colours = Colour::ALL.map(Colour::word);
    let shapes = Shape::ALL.map(Shape::word);
    ["a", "and"].into_iter().chain(colours).chain(shapes).collect()
}

#[cfg(test)]
mod tests {
    use super::{CaptionKind, words};
    use crate::draws::Draws;
    use crate::shapes::split::Split;
    use crate::shapes::world::Prompt;

    fn drawn(kind: CaptionKind, prompt: &str) -> Vec<String> {
        let prompt: Prompt = prompt.parse().expect("valid");
        let mut draws = Draws::new("caption test", 0, 0);
        let mut texts: Vec<String> = (0..3000)
            .map(|_| {
                kind.caption(prompt, &Prompt::all(), &mut draws)
                    .expect("available")
                    .text
            })
            .collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    #[test]
    fn each_kind_makes_exactly_its_own_captions() {
        let prompt = "a red circle and a blue square";
        assert_eq!(drawn(CaptionKind::Faithful, prompt), [prompt]);
        assert_eq!(drawn(CaptionKind::Empty, prompt), [""]);
        assert_eq!(
            drawn(CaptionKind::MissingObject, prompt),
            ["a blue square", "a red circle"]
        );
        assert_eq!(
            drawn(CaptionKind::MissingColour, prompt),
            ["a circle and a blue square", "a red circle and a square"]
        );
        assert_eq!(
            drawn(CaptionKind::SwappedColours, prompt),
            ["a blue circle and a red square"]
        );
        assert_eq!(
            drawn(CaptionKind::ReplacedColour, prompt),
            [
                "a green circle and a blue square",
                "a orange circle and a blue square",
                "a purple circle and a blue square",
                "a red circle and a green square",
                "a red circle and a orange square",
                "a red circle and a purple square",
                "a red circle and a yellow square",
                "a yellow circle and a blue square",
            ]
        );
        // One object stays; the other takes one of 2 other shapes and one of 5 colours.
        let replaced = drawn(CaptionKind::ReplacedObject, prompt);
        assert_eq!(replaced.len(), 2 * 2 * 5);
        assert!(
            replaced
                .iter()
                .all(|text| text.contains("a red circle") != text.contains("a blue square"))
        );
        let unrelated = drawn(CaptionKind::Unrelated, prompt);
        assert!(
            unrelated
                .iter()
                .all(|text| !text.contains("red circle") && !text.contains("blue square"))
        );
        assert!(!unrelated.contains(&"a blue circle and a red square".to_owned()));
        // 360 minus those with the first object (2 x 15), with the second (30), plus both (2), minus swapped (2).
        assert_eq!(unrelated.len(), 360 - 30 - 30 + 2 - 2);
    }

    #[test]
    fn kinds_never_overlap() {
        let prompts = Prompt::all();
        for prompt in &prompts[..60] {
            for caption in &prompts {
                let kinds = CaptionKind::ALL
                    .iter()
                    .filter(|kind| kind.relates(*prompt, *caption));
                assert!(kinds.count() <= 1, "{prompt} / {caption}");
            }
        }
    }

    #[test]
    fn held_back_prompts_never_appear_as_captions() {
        let split = Split::draw(3, 30).expect("valid");
        let mut draws = Draws::new("caption test", 1, 0);
        for prompt in &split.train {
            for kind in CaptionKind::ALL {
                for _ in 0..5 {
                    let Some(caption) = kind.caption(*prompt, &split.train, &mut draws) else {
                        assert_ne!(
                            kind,
                            CaptionKind::SwappedColours,
                            "swapped twins are on the same side"
                        );
                        continue;
                    };
                    if let Ok(named) = caption.text.parse::<Prompt>() {
                        assert!(split.train.contains(&named));
                    }
                    assert!(
                        caption
                            .text
                            .split_whitespace()
                            .all(|word| words().contains(&word))
                    );
                }
            }
        }
        assert_eq!(words().len(), 12);
    }
}
