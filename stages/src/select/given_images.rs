//! Selection of images that nobody generated here: what they cannot be chosen by.

use super::config::SelectError;
use crate::contract::{KnownInput, KnownInputs};
use crate::tables::score_columns::MI;

/// The scores that come with candidates.
const GENERATED: [&str; 3] = [MI, "mi_paper", "mi_reference"];

/// Checks that images which are no candidates are not to be chosen by a score that a generation makes, as far as the
/// inputs tell before they are there.
pub(super) fn check_score(by: &str, inputs: &KnownInputs) -> Result<(), SelectError> {
    let lacks = |input: &KnownInput, column: &str| {
        let columns = input.columns.as_ref();
        columns.is_some_and(|columns| columns.field_with_name(column).is_err())
    };
    let candidates = inputs.of("candidates");
    let is_given = !candidates.is_empty() && candidates.iter().all(|input| lacks(input, MI));
    let is_nowhere = inputs.of("scores").iter().all(|input| lacks(input, by));
    match is_given && is_nowhere && GENERATED.contains(&by) {
        true => Err(SelectError::NotGenerated(by.to_owned())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::SchemaRef;

    use super::*;
    use crate::tables::schema;

    fn told(by: &str, candidates: SchemaRef, scores: Option<SchemaRef>) -> String {
        let input = |columns: Option<SchemaRef>| KnownInput {
            stage: "made".to_owned(),
            columns,
            candidates: None,
        };
        let mut inputs = KnownInputs::default();
        inputs.add("candidates", vec![input(Some(candidates))]);
        inputs.add("scores", vec![input(scores)]);
        check_score(by, &inputs).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn given_images_have_no_score_of_a_generation() {
        let scored = || Some(schema::scores(&["mi_signed"]));
        for by in GENERATED {
            let found = told(by, schema::latents(), scored());
            assert!(
                found.starts_with(&format!("Given images have no `{by}`")),
                "{found}"
            );
            assert_eq!(told(by, schema::candidates(), scored()), "");
            // Where nobody knows what the scores are, they may have it.
            assert_eq!(told(by, schema::latents(), None), "");
            assert_eq!(told(by, schema::latents(), Some(schema::scores(&[by]))), "");
        }
        for by in ["mi_signed", "random", "anything"] {
            assert_eq!(told(by, schema::latents(), scored()), "");
        }
    }
}
