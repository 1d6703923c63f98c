//! A CLIP that gives the directions of images and prompts themselves, for whoever compares more than the two of a pair.

use std::path::{Path, PathBuf};

use mitune_diffusion::input_file::is_there;
use mitune_judges::clip_judges::{ClipFiles, ClipScore, Execution, JudgeError, PairEmbeddings};
use mitune_judges::preprocessing::Preprocessing;
use mitune_store::ContentDigest;

use super::error::ModelJudgeError;
use super::open_files::{OpenFiles, OpenWeights, SmallFiles};
use super::recipe::{Recipe, backend_of, by_configuration};
use super::settings::{CaptionForm, ClipPreprocessing};
use crate::contract::{ExternalDigests, StageError};

/// A folder with a CLIP of transformers' layout and its tokenizer, before anything is loaded.
#[derive(Clone, Debug)]
pub(crate) struct ClipFeatures {
    /// The folder, as seen from the working directory.
    pub(crate) folder: PathBuf,
    /// How images are prepared.
    pub(crate) preprocessing: ClipPreprocessing,
}

impl ClipFeatures {
    /// How images are prepared, for the keys.
    pub(crate) fn keyed_preprocessing(preprocessing: ClipPreprocessing) -> Preprocessing {
        recipe(preprocessing).keyed_preprocessing()
    }

    /// Digests everything that is read of the folder.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if files are missing or of another network.
    pub(crate) fn external(&self, digests: &dyn ExternalDigests) -> Result<ContentDigest, StageError> {
        self.check_folder()?;
        let open = || self.open().map_err(StageError::configuration);
        let small = || self.small_files().map_err(StageError::configuration);
        let mut paths = small()?.paths(&self.folder);
        paths.extend(open()?.paths());
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        digests.digest("clip features files/1", &paths, &mut || {
            // Opened anew: what was opened before its files were looked at may be another one.
            small()?.digested(&open()?).map_err(StageError::configuration)
        })
    }

    /// Loads the network, with the digest of all files that were read for it; none if one changed meanwhile.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if files are missing or of another network.
    pub(crate) fn load_digested(
        &self,
        execution: Execution,
    ) -> Result<(PairEmbeddings, Option<ContentDigest>), StageError> {
        self.check_folder()?;
        self.load(execution).map_err(StageError::configuration)
    }

    fn load(&self, execution: Execution) -> Result<(PairEmbeddings, Option<ContentDigest>), JudgeError> {
        let before = self.small_files()?;
        let (network, weights) = self.open()?.load_digested(execution)?;
        let same = self.small_files()? == before;
        Ok((network, same.then(|| before.digest_with(&weights))))
    }

    fn small_files(&self) -> Result<SmallFiles, JudgeError> {
        let names = recipe(self.preprocessing).small_files();
        Ok(SmallFiles::read(&self.folder, &names)?)
    }

    fn open(&self) -> Result<OpenFiles<PairEmbeddings>, JudgeError> {
        let files = ClipFiles::open(&self.folder)?;
        let preprocessing = match backend_of(self.preprocessing) {
            Some(backend) => by_configuration(&self.folder, backend)?,
            None => ClipScore::preprocessing(&files),
        };
        Ok(OpenFiles {
            weights: vec![OpenWeights::Folder(files.weights.clone())],
            load: Box::new(move |sources, execution| {
                let tokens = ClipScore::tokens(&files)?;
                PairEmbeddings::load(sources[0], &files.config, preprocessing, tokens, execution)
            }),
        })
    }

    fn check_folder(&self) -> Result<(), StageError> {
        let path = self.folder.clone();
        if !is_there(&path) {
            return Err(StageError::configuration(ModelJudgeError::Missing { path }));
        }
        match path.is_dir() {
            true => Ok(()),
            false => Err(StageError::configuration(ModelJudgeError::NoFolder { path })),
        }
    }
}

/// The judge that takes the product of the same directions.
fn recipe(preprocessing: ClipPreprocessing) -> Recipe {
    Recipe::ClipScore {
        form: CaptionForm::Cosine,
        preprocessing,
    }
}
