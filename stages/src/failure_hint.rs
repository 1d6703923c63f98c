//! What to do about an error that speaks of the files of models, adapters and prompts, or of tables that do not match.

use std::error::Error;
use std::path::Path;

use mitune_diffusion::adapter::AdapterError;
use mitune_diffusion::denoiser::DenoiserError;
use mitune_diffusion::input_file::{InputFileError, is_there};
use mitune_diffusion::model::{ModelError, PlaceError};
use mitune_diffusion::nn::weights::WeightsError;
use mitune_diffusion::tokenizer::TokenizerError;
use mitune_judges::pair_judge::JudgeError;

use crate::adapters::adapter_file::AdapterFileError;
use crate::adapters::adapter_place::AdapterPlaceError;
use crate::contract::StageError;
use crate::ingest::prompts::PromptsError;
use crate::judges::ModelJudgeError;
use crate::suggestion::closest;
use crate::tables::matching::{FewRows, MatchError, UnrelatedTable};
use crate::tables::score_column_error::ScoreColumnError;

/// Looks through an error and its causes for one whose remedy is known.
pub fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(StageError::Configuration(inner) | StageError::Failed(inner)) = error.downcast_ref() {
            return hint(inner.as_ref());
        }
        if let Some(found) = own_hint(error) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn own_hint(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<ModelError>() {
        let missing = match error {
            ModelError::Place(PlaceError::Missing { path }) => Some(path),
            _ => None,
        };
        return error.hint().or_else(|| nearest(missing?));
    }
    if let Some(error) = error.downcast_ref::<PromptsError>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<AdapterFileError>() {
        let missing = match error {
            AdapterFileError::Place(AdapterPlaceError::Missing { path }) => Some(path),
            _ => None,
        };
        return error.hint().or_else(|| nearest(missing?));
    }
    if let Some(ModelJudgeError::Missing { path }) = error.downcast_ref() {
        return nearest(path);
    }
    let hints = [
        error.downcast_ref::<JudgeError>().map(JudgeError::hint),
        error.downcast_ref::<AdapterError>().map(AdapterError::hint),
        error.downcast_ref::<DenoiserError>().map(attention_hint),
        error.downcast_ref::<WeightsError>().map(WeightsError::hint),
        error.downcast_ref::<TokenizerError>().map(TokenizerError::hint),
        error.downcast_ref::<InputFileError>().map(InputFileError::hint),
        error
            .downcast_ref::<ScoreColumnError>()
            .map(ScoreColumnError::hint),
        error.downcast_ref::<FewRows>().map(FewRows::hint),
        error.downcast_ref::<MatchError>().map(MatchError::hint),
        error.downcast_ref::<UnrelatedTable>().map(UnrelatedTable::hint),
    ];
    hints.into_iter().flatten().flatten().next()
}

/// Where attention is that guidance looks at in vain.
fn attention_hint(error: &DenoiserError) -> Option<String> {
    match error {
        DenoiserError::NoAttentionMaps => Some(
            "Take a `guidance_method` that looks at no attention: `classifier_free` or `structured`".to_owned(),
        ),
        DenoiserError::NoSuchAttention => Some(
            "Set `attention_ratio` of `attend_and_excite`, or `finest_ratio` and `coarsest_ratio` of `semantic_aware`, \
             in the `guidance_method` of a pipeline to a ratio that the model has: positions of the latent to one of \
             its attention along each side, 1, 2, 4 or 8 in most; small models have no large one"
                .to_owned(),
        ),
        _ => None,
    }
}

/// What is there of a path that is not: a name like the one that is missing, or how far the path leads.
fn nearest(path: &Path) -> Option<String> {
    let there = path
        .ancestors()
        .skip(1)
        .find(|above| above.as_os_str().is_empty() || is_there(above))?;
    let missing = path.strip_prefix(there).ok()?.components().next()?;
    let missing = missing.as_os_str().to_string_lossy();
    let folder = match there.as_os_str().is_empty() {
        true => Path::new("."),
        false => there,
    };
    let entries = std::fs::read_dir(folder).ok()?;
    let names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    match closest(&missing, names.iter().map(String::as_str)) {
        Some(name) => Some(format!("Did you mean `{}`?", there.join(name).display())),
        None => Some(format!("`{}` is there, but has no `{missing}`", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::model::ModelDirectory;

    use super::*;

    #[test]
    fn missing_models_are_looked_for_nearby() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("models/shapes")).unwrap();
        let of = |name: &str| {
            let error = ModelDirectory::open(&folder.path().join(name)).unwrap_err();
            hint(&StageError::configuration(error))
        };
        let place = folder.path().display();
        assert_eq!(
            of("models/shapse"),
            Some(format!("Did you mean `{place}/models/shapes`?"))
        );
        assert_eq!(of("modles"), Some(format!("Did you mean `{place}/models`?")));
        assert_eq!(
            of("models/x"),
            Some(format!("`{place}/models` is there, but has no `x`"))
        );
        let hub = of("some-owner/some-model.v1").unwrap();
        assert!(
            hub.contains("`some-owner/some-model.v1`") && hub.contains("nothing is downloaded"),
            "{hub}"
        );
        assert_eq!(hint(&StageError::configuration("other")), None);
    }

    #[test]
    fn remedies_are_found_behind_other_causes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        std::fs::write(&path, "version https://git-lfs.github.com/spec/v1\n").unwrap();
        let file: crate::adapters::adapter_file::AdapterFile = path.to_str().unwrap().parse().unwrap();
        let error = StageError::configuration(file.read().unwrap_err());
        assert!(hint(&error).unwrap().contains("git lfs pull"));
    }
}
