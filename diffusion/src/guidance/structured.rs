//! Structured Diffusion Guidance: noun phrases that lend their own encodings to the prompt.

use std::ops::Range;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditioning::Conditioning;
use crate::training::objectives::Formulation;

/// A phrase of a prompt that was also encoded alone.
#[derive(Debug, Clone)]
pub struct PhraseEncoding {
    /// Where the phrase stands among the tokens of the prompt; the start token is at 0.
    pub tokens: Range<usize>,
    /// The phrase alone, padded to as many tokens as the prompt, with as many rows.
    pub conditioning: Conditioning,
}

/// What the phrases lend their encodings to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StructuredForm {
    /// Values: the prompt alone says where each token goes, and what it brings is the mean over encodings. The default.
    #[default]
    AveragedValues,
    /// Keys: every encoding says where tokens go, and they bring what they mean in their own phrase. For prompts such
    /// as "A and B".
    Conjunction,
}

/// Puts the encodings of phrases into that of their prompt (Feng et al., arXiv 2212.05032).
///
/// Each phrase gives a copy of the prompt's hidden states in which its tokens have the states of the phrase alone. With
/// n phrases, values are the mean of the prompt's and those of the n copies; or there are 1 + n sets of keys, whose
/// outputs are averaged, and one set of values in which all phrases are replaced, later ones over earlier ones. The
/// prompt's pooled vector stays. A prompt without phrases stays as it is to the last digit.
///
/// Of a conjunction the paper's first keys are the prompt's own. The authors' code writes the phrases into those too
/// before it uses them, which [`Formulation::Reference`] repeats. The other form is the same in both.
///
/// # Shapes
/// All hidden states are `[batch, tokens, width]`. Tokens of a phrase beyond the last token are left out.
///
/// # Panics
/// A phrase's hidden states have another shape than the prompt's.
#[must_use]
pub fn structured(
    prompt: &Conditioning,
    phrases: &[PhraseEncoding],
    form: StructuredForm,
    formulation: Formulation,
) -> Conditioning {
    let own = &prompt.context;
    if phrases.is_empty() {
        return prompt.clone();
    }
    let copies = phrases.iter().map(|phrase| with_phrase(own.clone(), phrase));
    match form {
        StructuredForm::AveragedValues => {
            let encodings: Vec<Tensor<3>> = std::iter::once(own.clone()).chain(copies).collect();
            prompt.clone().with_values_of(&encodings)
        }
        StructuredForm::Conjunction => {
            let replaced = phrases.iter().fold(own.clone(), with_phrase);
            let keys = match formulation {
                Formulation::Paper => own.clone(),
                Formulation::Reference => replaced.clone(),
            };
            let conjunction = Conditioning {
                context: keys,
                ..prompt.clone()
            };
            conjunction
                .with_values_of(&[replaced])
                .with_keys_of(copies.collect())
        }
    }
}

/// Replaces the hidden states of a phrase's tokens by those of the phrase alone, which begin after its start token.
fn with_phrase(states: Tensor<3>, phrase: &PhraseEncoding) -> Tensor<3> {
    let alone = &phrase.conditioning.context;
    let shape = states.dims();
    assert!(alone.dims() == shape, "a phrase is encoded as its prompt is");
    let tokens = shape[1];
    let start = phrase.tokens.start.min(tokens);
    // The phrase's own states begin at 1, so that there is one less of them.
    let length = phrase
        .tokens
        .end
        .min(tokens)
        .saturating_sub(start)
        .min(tokens - 1);
    let rest = start + length;
    let part = |of: &Tensor<3>, start: usize, length: usize| {
        (length > 0).then(|| of.clone().narrow(1, start, length))
    };
    let parts = [
        part(&states, 0, start),
        part(alone, 1, length),
        part(&states, rest, tokens - rest),
    ];
    Tensor::cat(parts.into_iter().flatten().collect(), 1)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn row(values: [f32; 5]) -> Conditioning {
        Tensor::<1>::from_floats(values, &Device::flex())
            .reshape::<3, _>([1, 5, 1])
            .into()
    }

    fn phrase(tokens: Range<usize>, values: [f32; 5]) -> PhraseEncoding {
        PhraseEncoding {
            tokens,
            conditioning: row(values),
        }
    }

    fn numbers(states: &Tensor<3>) -> Vec<f32> {
        states.clone().try_into_vec_as().unwrap()
    }

    #[test]
    fn values_are_the_mean_of_the_prompt_and_its_copies() {
        let prompt = row([0.0, 1.0, 2.0, 3.0, 4.0]);
        let phrases = [
            phrase(1..3, [9.0, 7.0, 8.0, 0.0, 0.0]),
            phrase(3..4, [9.0, 12.0, 0.0, 0.0, 0.0]),
        ];
        let found = structured(
            &prompt,
            &phrases,
            StructuredForm::AveragedValues,
            Formulation::Reference,
        );
        assert_eq!(numbers(&found.context), numbers(&prompt.context));
        assert!(found.key_contexts.is_none());
        assert_eq!(numbers(&found.value_context.unwrap()), [0.0, 3.0, 4.0, 6.0, 4.0]);
    }

    #[test]
    fn a_conjunction_has_one_set_of_keys_for_each_copy() {
        let prompt = row([0.0, 1.0, 2.0, 3.0, 4.0]);
        let phrases = [
            phrase(1..3, [9.0, 7.0, 8.0, 0.0, 0.0]),
            phrase(2..4, [9.0, 5.0, 6.0, 0.0, 0.0]),
        ];
        let with = |formulation| structured(&prompt, &phrases, StructuredForm::Conjunction, formulation);
        let replaced = [0.0, 7.0, 5.0, 6.0, 4.0];
        for (formulation, first) in [
            (Formulation::Paper, [0.0, 1.0, 2.0, 3.0, 4.0]),
            (Formulation::Reference, replaced),
        ] {
            let found = with(formulation);
            assert_eq!(numbers(&found.context), first);
            assert_eq!(numbers(&found.value_context.unwrap()), replaced);
            let further = found.key_contexts.unwrap();
            assert_eq!(numbers(&further.contexts[0]), [0.0, 7.0, 8.0, 3.0, 4.0]);
            assert_eq!(numbers(&further.contexts[1]), [0.0, 1.0, 5.0, 6.0, 4.0]);
        }
    }

    #[test]
    fn tokens_beyond_the_last_are_left_out_and_no_phrase_changes_nothing() {
        let prompt = row([0.0, 1.0, 2.0, 3.0, 4.0]);
        for (tokens, expected) in [
            (3..9, [0.0, 1.0, 2.0, 7.0, 8.0]),
            (7..9, [0.0, 1.0, 2.0, 3.0, 4.0]),
            (0..5, [7.0, 8.0, 6.0, 5.0, 4.0]),
        ] {
            let states = with_phrase(prompt.context.clone(), &phrase(tokens, [9.0, 7.0, 8.0, 6.0, 5.0]));
            assert_eq!(numbers(&states), expected);
        }
        for form in [StructuredForm::AveragedValues, StructuredForm::Conjunction] {
            let found = structured(&prompt, &[], form, Formulation::Paper);
            assert!(found.value_context.is_none() && found.key_contexts.is_none());
        }
    }
}
