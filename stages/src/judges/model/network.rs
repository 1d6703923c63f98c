//! A judge's network, ready to judge.

use mitune_judges::blip_judges::BlipVqa;
use mitune_judges::clip_judges::{JudgeError, PairJudge};
use mitune_judges::noun_phrases;
use mitune_judges::picture::Picture;

/// An image, its prompt, and the phrases to ask about where they are given.
#[derive(Clone, Copy)]
pub(crate) struct AskedPair<'a> {
    pub(crate) picture: &'a Picture,
    pub(crate) prompt: &'a str,
    /// By default, those that are found in the prompt.
    pub(crate) phrases: Option<&'a [String]>,
}

/// A network that judges images with their prompts.
pub(crate) enum Network {
    /// One that reads the whole prompt.
    Pairs(Box<dyn PairJudge>),
    /// One that is asked about noun phrases.
    Questions(Box<BlipVqa>),
}

impl Network {
    /// Judges each pair; what is said of one does not depend on the others.
    ///
    /// # Errors
    /// When a picture cannot be prepared, a prompt cannot be encoded, or the network gives no number.
    pub(crate) fn score(&self, asked: &[AskedPair<'_>]) -> Result<Vec<f64>, JudgeError> {
        match self {
            Self::Pairs(judge) => {
                let pairs: Vec<(&Picture, &str)> =
                    asked.iter().map(|asked| (asked.picture, asked.prompt)).collect();
                judge.score(&pairs)
            }
            Self::Questions(judge) => {
                let phrases: Vec<Vec<String>> = asked.iter().map(phrases).collect();
                let items: Vec<(&Picture, &[String])> = asked
                    .iter()
                    .zip(&phrases)
                    .map(|(asked, phrases)| (asked.picture, phrases.as_slice()))
                    .collect();
                judge.score(&items)
            }
        }
    }
}

fn phrases(asked: &AskedPair<'_>) -> Vec<String> {
    match asked.phrases {
        Some(phrases) => phrases.to_vec(),
        None => noun_phrases::chunks(asked.prompt).chunks,
    }
}
