//! A judge's network, ready to judge.

use burn::tensor::FloatDType;
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
pub(crate) struct Network {
    reader: Reader,
    dtype: FloatDType,
}

/// How it takes prompts.
enum Reader {
    /// One that reads the whole prompt.
    Pairs(Box<dyn PairJudge>),
    /// One that is asked about noun phrases.
    Questions(Box<BlipVqa>),
}

impl Network {
    /// Takes a network that computes in this format and reads the whole prompt.
    pub(super) fn of_pairs(dtype: FloatDType, judge: impl PairJudge + 'static) -> Self {
        let reader = Reader::Pairs(Box::new(judge));
        Self { reader, dtype }
    }

    /// Takes one that is asked about noun phrases.
    pub(super) fn of_questions(dtype: FloatDType, judge: BlipVqa) -> Self {
        let reader = Reader::Questions(Box::new(judge));
        Self { reader, dtype }
    }

    /// Judges each pair; what is said of one does not depend on the others.
    ///
    /// # Errors
    /// When a picture cannot be prepared, a prompt cannot be encoded, or the network gives no number.
    pub(crate) fn score(&self, asked: &[AskedPair<'_>]) -> Result<Vec<f64>, JudgeError> {
        let scores = self.scores(asked)?;
        match scores.iter().position(|score| !score.is_finite()) {
            None => Ok(scores),
            Some(index) => Err(JudgeError::NotFinite {
                index,
                dtype: self.dtype,
            }),
        }
    }

    fn scores(&self, asked: &[AskedPair<'_>]) -> Result<Vec<f64>, JudgeError> {
        match &self.reader {
            Reader::Pairs(judge) => {
                let pairs: Vec<(&Picture, &str)> =
                    asked.iter().map(|asked| (asked.picture, asked.prompt)).collect();
                judge.score(&pairs)
            }
            Reader::Questions(judge) => {
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
        None => noun_phrases::chunks(asked.prompt.trim()).chunks,
    }
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::image_decoding::{DecodedImage, Samples, Transparency};

    use super::*;

    /// A judge whose formula has no number for the second image.
    struct Overflowing(f64);

    impl PairJudge for Overflowing {
        fn score(&self, pairs: &[(&Picture, &str)]) -> Result<Vec<f64>, JudgeError> {
            let mut scores = vec![0.5; pairs.len()];
            scores[1] = self.0;
            Ok(scores)
        }
    }

    #[test]
    fn what_is_no_number_is_an_error_whoever_judges() {
        let pixel = DecodedImage::new(1, 1, Samples::Rgb(vec![0; 3]), Transparency::None).unwrap();
        let picture = Picture::from(pixel);
        let asked = AskedPair {
            picture: &picture,
            prompt: "a car",
            phrases: None,
        };
        for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let network = Network::of_pairs(FloatDType::F32, Overflowing(value));
            let error = network.score(&[asked, asked, asked]).unwrap_err();
            assert_eq!(error.item(), Some(1), "{error}");
        }
        let network = Network::of_pairs(FloatDType::F32, Overflowing(1.0));
        assert_eq!(network.score(&[asked, asked]).unwrap(), [0.5, 1.0]);
    }
}
