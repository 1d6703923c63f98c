//! Captions that a judge of the shapes world must tell from the true one.

use std::collections::BTreeMap;

use crate::draws::Draws;
use crate::shapes::caption::CaptionKind;
use crate::shapes::world::{Object, Prompt};

/// What is wrong with a caption that names two objects, as the true one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CaptionFault {
    /// One object has a colour that no object of the image has.
    ReplacedColour,
    /// One object has a shape that no object of the image has.
    ReplacedShape,
    /// The colours of the two objects are exchanged.
    SwappedColours,
    /// Both objects are others.
    Unrelated,
}

/// Kinds of faulty captions, and captions of each kind that go with an image.
pub(super) const FAULTS: usize = CaptionFault::ALL.len();

/// The faulty captions of some prompts, of every kind.
#[derive(Clone, Debug)]
pub(super) struct FaultyCaptions {
    by_prompt: BTreeMap<Prompt, [Vec<Prompt>; FAULTS]>,
}

/// The prompt with the colours exchanged is not among those that may be read.
#[derive(Debug, thiserror::Error)]
#[error("No faulty caption for `{prompt}`: the prompt with exchanged colours may not be read")]
pub(super) struct NoFaultyCaption {
    prompt: Prompt,
}

impl CaptionFault {
    /// Every kind, in the order in which captions are drawn.
    pub(super) const ALL: [CaptionFault; 4] = [
        CaptionFault::ReplacedColour,
        CaptionFault::ReplacedShape,
        CaptionFault::SwappedColours,
        CaptionFault::Unrelated,
    ];

    /// Returns the name used in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            CaptionFault::ReplacedColour => "replaced_colour",
            CaptionFault::ReplacedShape => "replaced_shape",
            CaptionFault::SwappedColours => "swapped_colours",
            CaptionFault::Unrelated => "unrelated",
        }
    }

    /// Says whether `caption` has this fault where `prompt` would be true.
    fn is_of(self, prompt: Prompt, caption: Prompt) -> bool {
        match self {
            CaptionFault::ReplacedColour => CaptionKind::ReplacedColour.relates(prompt, caption),
            CaptionFault::ReplacedShape => has_another_shape(prompt, caption),
            CaptionFault::SwappedColours => CaptionKind::SwappedColours.relates(prompt, caption),
            CaptionFault::Unrelated => CaptionKind::Unrelated.relates(prompt, caption),
        }
    }
}

/// Unlike [`CaptionKind::ReplacedObject`], the colour of the other shape stays, so that nothing but the shape tells.
fn has_another_shape(prompt: Prompt, caption: Prompt) -> bool {
    let ([first, second], [named_first, named_second]) = (prompt.objects(), caption.objects());
    let same_colours = named_first.colour == first.colour && named_second.colour == second.colour;
    let foreign = |named: Object| named.shape != first.shape && named.shape != second.shape;
    same_colours
        && ((named_first == first && foreign(named_second))
            || (named_second == second && foreign(named_first)))
}

impl FaultyCaptions {
    /// Finds the faulty captions of each prompt among those that may be read.
    ///
    /// Where there is none of a kind, that with swapped colours takes its place: a split leaves both on one side.
    ///
    /// # Errors
    /// When that may not be read either.
    pub(super) fn new(prompts: &[Prompt], allowed: &[Prompt]) -> Result<Self, NoFaultyCaption> {
        let mut by_prompt = BTreeMap::new();
        for &prompt in prompts {
            let of_kind = |fault: CaptionFault| -> Vec<Prompt> {
                let captions = allowed.iter().copied();
                captions.filter(|caption| fault.is_of(prompt, *caption)).collect()
            };
            let swapped = of_kind(CaptionFault::SwappedColours);
            if swapped.is_empty() {
                return Err(NoFaultyCaption { prompt });
            }
            let found = CaptionFault::ALL.map(|fault| match of_kind(fault) {
                captions if captions.is_empty() => swapped.clone(),
                captions => captions,
            });
            by_prompt.insert(prompt, found);
        }
        Ok(Self { by_prompt })
    }

    /// Draws one caption of each kind; `None` for a prompt that was not asked about.
    pub(super) fn draw(&self, prompt: Prompt, draws: &mut Draws) -> Option<[Prompt; FAULTS]> {
        let choices = self.by_prompt.get(&prompt)?;
        Some(choices.each_ref().map(|captions| {
            let count = u32::try_from(captions.len()).unwrap_or(u32::MAX);
            captions[draws.below(count) as usize]
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::split::Split;

    #[test]
    fn each_fault_is_its_own() {
        let prompt: Prompt = "a red circle and a blue square".parse().unwrap();
        let all = Prompt::all();
        let captions = FaultyCaptions::new(&[prompt], &all).unwrap();
        let counts = captions.by_prompt[&prompt].each_ref().map(Vec::len);
        // 2 objects with one of 4 foreign colours, or of 2 foreign shapes; `CaptionKind` counts the unrelated.
        assert_eq!(counts, [8, 4, 1, 300]);
        let shapes: Vec<String> = captions.by_prompt[&prompt][1]
            .iter()
            .map(Prompt::to_string)
            .collect();
        assert!(
            shapes.contains(&"a red triangle and a blue square".to_owned()),
            "{shapes:?}"
        );
        assert!(
            shapes.contains(&"a red circle and a blue cross".to_owned()),
            "{shapes:?}"
        );
        for caption in &all {
            let faults = CaptionFault::ALL
                .iter()
                .filter(|fault| fault.is_of(prompt, *caption));
            assert!(faults.count() <= 1, "{caption}");
        }
        for caption in [prompt, prompt.reversed()] {
            assert!(!CaptionFault::ALL.iter().any(|fault| fault.is_of(prompt, caption)));
        }
    }

    #[test]
    fn captions_are_drawn_from_what_may_be_read_only() {
        let split = Split::draw(1, 22).unwrap();
        let captions = FaultyCaptions::new(&split.train, &split.train).unwrap();
        let mut draws = Draws::new("judge caption test", 0, 0);
        for prompt in &split.train {
            let drawn = captions.draw(*prompt, &mut draws).unwrap();
            for (fault, caption) in CaptionFault::ALL.into_iter().zip(drawn) {
                assert!(split.train.contains(&caption), "{caption}");
                let stands_in = caption == prompt.with_swapped_colours();
                assert!(fault.is_of(*prompt, caption) || stands_in, "{prompt} / {caption}");
            }
        }
        assert!(captions.draw(split.test[0], &mut draws).is_none());
    }

    #[test]
    fn swapped_colours_take_the_place_of_what_there_is_none_of() {
        let few = Split::draw(1, 89).unwrap();
        let captions = FaultyCaptions::new(&few.train, &few.train).unwrap();
        let swapped = few.train[0].with_swapped_colours();
        let drawn = captions.draw(few.train[0], &mut Draws::new("judge caption test", 1, 0));
        assert_eq!(drawn, Some([swapped; FAULTS]));
        assert!(FaultyCaptions::new(&few.train, &few.test).is_err());
    }
}
