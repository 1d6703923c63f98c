//! The prompts of the table, and what is to be told about them before they are sampled.

use arrow_array::Array;
use mitune_diffusion::tokenizer::Tokenizer;

use super::guidance_method::GuidanceMethod;
use super::prompt_subjects::PromptSubjects;
use crate::contract::{StageContext, StageError};
use crate::tables::columns::string_column;

/// A prompt of the table.
pub(super) struct Prompt {
    pub(super) id: String,
    pub(super) text: String,
}

/// Reads the table of prompts.
pub(super) fn read_prompts(context: &StageContext<'_>) -> Result<Vec<Prompt>, StageError> {
    let mut prompts = Vec::new();
    for batch in context
        .store()
        .artifacts()
        .read_table(context.input("prompts")?, Some(&["prompt_id", "prompt"]))?
    {
        let batch = batch?;
        let ids = string_column(&batch, "prompt_id").map_err(StageError::failed)?;
        let texts = string_column(&batch, "prompt").map_err(StageError::failed)?;
        for row in 0..ids.len() {
            prompts.push(Prompt {
                id: ids.value(row).to_owned(),
                text: texts.value(row).to_owned(),
            });
        }
    }
    Ok(prompts)
}

/// Tells how many prompts are longer than the text encoder reads.
pub(super) fn report_truncated(
    context: &StageContext<'_>,
    tokenizer: &Tokenizer,
    prompts: &[Prompt],
) -> Result<usize, StageError> {
    let mut truncated = Vec::new();
    for prompt in prompts {
        if tokenizer
            .encode(&prompt.text)
            .map_err(StageError::failed)?
            .truncated
        {
            truncated.push(prompt.text.as_str());
        }
    }
    if let Some(first) = truncated.first() {
        let start: String = first.chars().take(60).collect();
        context.progress().message(&format!(
            "{} of {} prompts are longer than the text encoder reads; their ends are cut off, as CLIP does. The first \
             one begins `{start}`",
            truncated.len(),
            prompts.len()
        ));
    }
    Ok(truncated.len())
}

/// Counts the prompts in which a method that looks for nouns or phrases finds none, and tells; `None` for other
/// methods.
pub(super) fn report_without(
    context: &StageContext<'_>,
    method: &GuidanceMethod,
    tokenizer: &Tokenizer,
    prompts: &[Prompt],
) -> Result<Option<usize>, StageError> {
    let Some(missing) = method.looks_for() else {
        return Ok(None);
    };
    let mut without = 0;
    for prompt in prompts {
        if PromptSubjects::find(method, &prompt.text, tokenizer)? == PromptSubjects::None {
            without += 1;
        }
    }
    if without > 0 {
        context.progress().message(&format!(
            "{without} of {} prompts have no {missing} that the text encoder reads; they are sampled with \
             classifier-free guidance alone",
            prompts.len()
        ));
    }
    Ok(Some(without))
}
