//! What a method looks at in a prompt, which is known before any model is loaded.

use mitune_diffusion::tokenizer::Tokenizer;

use super::guidance_method::GuidanceMethod;
use crate::contract::StageError;
use crate::subjects::{Phrase, phrases, subject_tokens};

/// What a method looks at in a prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PromptSubjects<'a> {
    /// Nothing, as the method looks at nothing or finds nothing.
    None,
    /// Tokens that are to be attended to.
    Tokens(SubjectTokens),
    /// Phrases that are encoded alone; at least one.
    Phrases(Vec<Phrase<'a>>),
}

/// Tokens that are to be attended to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubjectTokens {
    /// Their positions, counted from the start token; at least one.
    pub(super) positions: Vec<usize>,
    /// The position of the end token.
    pub(super) end: usize,
}

impl<'a> PromptSubjects<'a> {
    /// Finds what a method looks at.
    ///
    /// # Errors
    /// [`StageError::Failed`] if the prompt cannot be encoded.
    pub(super) fn find(
        method: &GuidanceMethod,
        prompt: &'a str,
        tokenizer: &Tokenizer,
    ) -> Result<Self, StageError> {
        if method.looks_for().is_none() {
            return Ok(Self::None);
        }
        let spans = tokenizer.encode_with_spans(prompt).map_err(StageError::failed)?;
        Ok(match method {
            GuidanceMethod::AttendAndExcite(_) => match subject_tokens(prompt, &spans) {
                positions if positions.is_empty() => Self::None,
                positions => Self::Tokens(SubjectTokens {
                    positions,
                    end: spans.end(),
                }),
            },
            GuidanceMethod::Structured(_) => match phrases(prompt, &spans) {
                found if found.is_empty() => Self::None,
                found => Self::Phrases(found),
            },
            GuidanceMethod::ClassifierFree {} | GuidanceMethod::SemanticAware(_) => Self::None,
        })
    }
}
