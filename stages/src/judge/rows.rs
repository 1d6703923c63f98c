//! Judgements as rows of their table.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use mitune_judges::pair_judge::JudgeError;

use super::column_meanings::METADATA_KEY;
use crate::contract::StageError;
use crate::judges::{ColumnKind, JudgedColumn, JudgedValue};
use crate::models::candidate_images::CandidateImage;

/// What a judge said does not fit its columns.
#[derive(Debug, thiserror::Error)]
pub(super) enum JudgementError {
    #[error("A judge said something of {found} of {images} images")]
    Images { images: usize, found: usize },
    #[error("A judge did not say what `{column}` of candidate `{seed_index}` of prompt `{prompt_id}` is")]
    Value {
        column: String,
        prompt_id: String,
        seed_index: u32,
    },
    #[error(
        "`{column}` of candidate `{seed_index}` of prompt `{prompt_id}` is `{value}`, expected a finite number"
    )]
    NotFinite {
        column: String,
        prompt_id: String,
        seed_index: u32,
        value: f64,
    },
    #[error("Judgements are no table")]
    Arrow(#[from] ArrowError),
}

/// A candidate that a judge says nothing of.
#[derive(Debug, thiserror::Error)]
#[error("Image of candidate `{seed_index}` of prompt `{prompt_id}` cannot be judged")]
struct UnjudgedCandidate {
    prompt_id: String,
    seed_index: u32,
    source: JudgeError,
}

/// Says which candidate a judge's error speaks of, if it speaks of one.
pub(super) fn about_candidate(error: StageError, candidates: &[CandidateImage]) -> StageError {
    let inner = match error {
        StageError::Failed(inner) => inner,
        other => return other,
    };
    let source = match inner.downcast::<JudgeError>() {
        Ok(source) => source,
        Err(inner) => return StageError::Failed(inner),
    };
    match source.item().and_then(|item| candidates.get(item)) {
        None => StageError::Failed(source),
        Some(candidate) => StageError::failed(UnjudgedCandidate {
            prompt_id: candidate.prompt_id.clone(),
            seed_index: candidate.seed_index,
            source: *source,
        }),
    }
}

/// The table of a judge: one row for each candidate, as scores have it.
pub(super) fn schema(columns: &[JudgedColumn]) -> SchemaRef {
    let mut fields = vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("seed_index", DataType::UInt32, false),
    ];
    fields.extend(columns.iter().map(|column| match column.kind {
        ColumnKind::HigherIsBetter | ColumnKind::LowerIsBetter => {
            Field::new(column.name.clone(), DataType::Float64, false)
        }
        ColumnKind::Word => Field::new(column.name.clone(), DataType::Utf8, true),
    }));
    // They are plain names and texts, which always have a form.
    let meanings = serde_json::to_string(columns).unwrap_or_default();
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), meanings)]);
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// Builds a batch of the table from one value per candidate and column.
pub(super) fn batch(
    schema: &SchemaRef,
    columns: &[JudgedColumn],
    candidates: &[CandidateImage],
    judged: &[Vec<JudgedValue>],
) -> Result<RecordBatch, JudgementError> {
    if judged.len() != candidates.len() {
        return Err(JudgementError::Images {
            images: candidates.len(),
            found: judged.len(),
        });
    }
    let prompt_ids = candidates.iter().map(|candidate| &candidate.prompt_id);
    let seed_indices = candidates.iter().map(|candidate| candidate.seed_index);
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(prompt_ids)),
        Arc::new(UInt32Array::from_iter_values(seed_indices)),
    ];
    for (place, column) in columns.iter().enumerate() {
        let said = candidates
            .iter()
            .zip(judged.iter().map(|values| values.get(place)));
        arrays.push(match column.kind {
            ColumnKind::Word => {
                let words = said.map(|(candidate, value)| word(column, candidate, value));
                Arc::new(words.collect::<Result<StringArray, _>>()?)
            }
            ColumnKind::HigherIsBetter | ColumnKind::LowerIsBetter => {
                let numbers = said.map(|(candidate, value)| number(column, candidate, value));
                let numbers = numbers.collect::<Result<Vec<f64>, _>>()?;
                Arc::new(Float64Array::from(numbers))
            }
        });
    }
    Ok(RecordBatch::try_new(schema.clone(), arrays)?)
}

fn word(
    column: &JudgedColumn,
    candidate: &CandidateImage,
    value: Option<&JudgedValue>,
) -> Result<Option<String>, JudgementError> {
    match value {
        Some(JudgedValue::Word(word)) => Ok(word.clone()),
        _ => Err(lacking(column, candidate)),
    }
}

fn number(
    column: &JudgedColumn,
    candidate: &CandidateImage,
    value: Option<&JudgedValue>,
) -> Result<f64, JudgementError> {
    match value {
        Some(JudgedValue::Number(value)) if value.is_finite() => Ok(*value),
        Some(JudgedValue::Number(value)) => Err(JudgementError::NotFinite {
            column: column.name.to_string(),
            prompt_id: candidate.prompt_id.clone(),
            seed_index: candidate.seed_index,
            value: *value,
        }),
        _ => Err(lacking(column, candidate)),
    }
}

fn lacking(column: &JudgedColumn, candidate: &CandidateImage) -> JudgementError {
    JudgementError::Value {
        column: column.name.to_string(),
        prompt_id: candidate.prompt_id.clone(),
        seed_index: candidate.seed_index,
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::FloatDType;

    use super::*;
    use crate::tables::image_rows::ImageSource;

    #[test]
    fn an_error_about_an_image_names_its_candidate() {
        let candidates = [3, 4].map(|seed_index| CandidateImage {
            prompt_id: "p1".to_owned(),
            prompt: "a car".to_owned(),
            seed_index,
            source: ImageSource::Encoded(Vec::new()),
        });
        let no_number = |index, dtype| StageError::failed(JudgeError::NotFinite { index, dtype });
        let named = about_candidate(no_number(1, FloatDType::F16), &candidates);
        assert_eq!(
            named.to_string(),
            "Image of candidate `4` of prompt `p1` cannot be judged"
        );
        let half = no_number(0, FloatDType::BF16).to_string();
        assert!(half.contains("half precision may be too narrow"), "{half}");
        let full = no_number(0, FloatDType::F32).to_string();
        assert!(!full.contains("half precision"), "{full}");
        assert!(matches!(
            about_candidate(StageError::Interrupted, &candidates),
            StageError::Interrupted
        ));
    }
}
