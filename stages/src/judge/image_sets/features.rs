//! The networks that distances of sets are measured with.

use std::path::{Path, PathBuf};

use burn::tensor::{DType, Tensor, TensorReadError};
use mitune_diffusion::config_fields::SettingError;
use mitune_diffusion::input_file::{is_there, read_object};
use mitune_diffusion::nn::weights::{TorchFile, WeightsError, WeightsFolder};
use mitune_judges::clip_judges::{ClipFiles, Execution, ImageEmbeddings, JudgeError};
use mitune_judges::dino::{DinoConfig, DinoError, DinoModel, DinoSettings};
use mitune_judges::inception::{FEATURES, InceptionConfig, InceptionV3};
use mitune_judges::picture::Picture;
use mitune_judges::preprocessing::{Pixels, Preprocessing, UnpreparedPicture};
use mitune_store::ContentDigest;

use super::SetJudge;
use crate::contract::{ExternalDigests, StageError};
use crate::judges::{ModelJudgeError, OpenFiles, OpenWeights, SmallFiles};

/// A network that makes features of images.
pub(crate) enum FeatureNetwork {
    Inception(Box<InceptionV3>, Prepared),
    Dino(Box<DinoModel>, Prepared),
    Clip {
        embeddings: Box<ImageEmbeddings>,
        width: usize,
    },
}

/// How images come to a network that takes them as a tensor.
pub(crate) struct Prepared {
    preprocessing: Preprocessing,
    execution: Execution,
}

/// The file of FID's network.
const INCEPTION: &str = "pt_inception-2015-12-05-6726825d.pth";

/// The side of CLIP's images in keys; the model's own is in its configuration, whose digest is in the keys too.
const KEYED_SIDE: usize = 224;

/// Files of a network that are open.
type FeatureFiles = OpenFiles<FeatureNetwork, FeatureError>;

/// Why a network gives no features.
#[derive(Debug, thiserror::Error)]
enum FeatureError {
    #[error("Cannot use `{}`", path.display())]
    Setting { path: PathBuf, source: SettingError },
    #[error("The network of `{}` cannot be loaded", path.display())]
    Dino { path: PathBuf, source: DinoError },
    #[error(transparent)]
    Preprocessing(#[from] UnpreparedPicture),
    #[error("Cannot read the network's result")]
    Unreadable(#[from] TensorReadError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Judge(#[from] JudgeError),
}

/// An image that a network makes no features of.
#[derive(Debug, thiserror::Error)]
#[error("The network makes no features of {image}")]
struct UnmeasuredImage {
    image: String,
    source: FeatureError,
}

impl FeatureError {
    /// Which of the images it speaks of, if it speaks of one.
    fn item(&self) -> Option<usize> {
        match self {
            Self::Preprocessing(unprepared) => Some(unprepared.index),
            Self::Judge(error) => error.item(),
            _ => None,
        }
    }
}

impl FeatureNetwork {
    /// Loads the network of a distance.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if files are missing or of another network.
    pub(crate) fn open(judge: SetJudge, model: &Path, execution: Execution) -> Result<Self, StageError> {
        check_there(model)?;
        let loaded = files(judge, model).and_then(|files| files.load(execution));
        loaded.map_err(StageError::configuration)
    }

    /// Loads it with the digest of all files that were read for it; none if one changed meanwhile.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn open_digested(
        judge: SetJudge,
        model: &Path,
        execution: Execution,
    ) -> Result<(Self, Option<ContentDigest>), StageError> {
        check_there(model)?;
        let before = small_files(judge, model)?;
        let loaded = files(judge, model).and_then(|files| files.load_digested(execution));
        let (network, weights) = loaded.map_err(StageError::configuration)?;
        let same = small_files(judge, model)? == before;
        Ok((network, same.then(|| before.digest_with(&weights))))
    }

    /// Digests everything that is read of a network, which is not loaded.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn external(
        judge: SetJudge,
        model: &Path,
        digests: &dyn ExternalDigests,
    ) -> Result<ContentDigest, StageError> {
        check_there(model)?;
        let open = || files(judge, model).map_err(StageError::configuration);
        let mut paths = small_files(judge, model)?.paths(model);
        paths.extend(open()?.paths());
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        digests.digest("feature network files/1", &paths, &mut || {
            // Opened anew: what was opened before its files were looked at may be another one.
            let small = small_files(judge, model)?;
            small.digested(&open()?).map_err(StageError::configuration)
        })
    }

    /// How images are prepared, for the keys.
    pub(crate) fn keyed_preprocessing(judge: SetJudge) -> Preprocessing {
        match judge {
            SetJudge::Fid => Preprocessing::clean_fid(),
            SetJudge::FdDino => Preprocessing::dgm_eval(DinoSettings::default().side),
            SetJudge::Cmmd => Preprocessing::cmmd(KEYED_SIDE),
        }
    }

    /// Numbers of an image's features.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Inception(..) => FEATURES,
            Self::Dino(network, _) => network.width(),
            Self::Clip { width, .. } => *width,
        }
    }

    /// Makes the features of at most a batch of images.
    ///
    /// # Errors
    /// [`StageError::Failed`] if an image cannot be prepared, by the name that `name_of` gives the one with this index,
    /// or the result cannot be read.
    pub(crate) fn features(
        &self,
        pictures: &[Picture],
        name_of: impl FnOnce(usize) -> String,
    ) -> Result<Vec<Vec<f32>>, StageError> {
        let pictures: Vec<&Picture> = pictures.iter().collect();
        let features = match self {
            Self::Inception(network, prepared) => prepared.rows(&pictures, |images| network.forward(images)),
            Self::Dino(network, prepared) => prepared.rows(&pictures, |images| network.forward(images)),
            Self::Clip { embeddings, .. } => embeddings.embed(&pictures).map_err(FeatureError::from),
        };
        features.map_err(|source| match source.item() {
            Some(item) => StageError::failed(UnmeasuredImage {
                image: name_of(item),
                source,
            }),
            None => StageError::failed(source),
        })
    }
}

impl Prepared {
    /// The batch is filled up with black, so that features do not depend on the number of images.
    fn rows(
        &self,
        pictures: &[&Picture],
        forward: impl FnOnce(Tensor<4>) -> Tensor<2>,
    ) -> Result<Vec<Vec<f32>>, FeatureError> {
        let mut pixels = self.preprocessing.apply_all(pictures)?;
        let Some(first) = pixels.first() else {
            return Ok(Vec::new());
        };
        let (height, width) = (first.height, first.width);
        while pixels.len() < self.execution.batch.get() {
            pixels.push(Pixels {
                height,
                width,
                values: vec![0.0; height * width * 3],
            });
        }
        let features = forward(Pixels::batch(
            &pixels,
            &self.execution.device,
            self.execution.dtype,
        ));
        let [_, width] = features.dims();
        let data = features.try_into_data_dtype(DType::F32)?;
        let values: Vec<f32> = data.try_into_vec().map_err(TensorReadError::from)?;
        let rows = values.chunks(width).take(pictures.len());
        Ok(rows.map(<[f32]>::to_vec).collect())
    }
}

fn check_there(model: &Path) -> Result<(), StageError> {
    match is_there(model) {
        true => Ok(()),
        false => {
            let path = model.to_owned();
            Err(StageError::configuration(ModelJudgeError::Missing { path }))
        }
    }
}

/// Reads the files that networks have beside their weights.
fn small_files(judge: SetJudge, model: &Path) -> Result<SmallFiles, StageError> {
    let names: &[&str] = match judge {
        SetJudge::Fid => &[],
        SetJudge::FdDino | SetJudge::Cmmd => &["config.json"],
    };
    SmallFiles::read(model, names).map_err(StageError::configuration)
}

/// Opens the files of a network.
fn files(judge: SetJudge, model: &Path) -> Result<FeatureFiles, FeatureError> {
    match judge {
        SetJudge::Fid => inception(model),
        SetJudge::FdDino => dino(model),
        SetJudge::Cmmd => clip(model),
    }
}

/// Opens the file of FID's network, or the folder that it lies in.
fn inception(model: &Path) -> Result<FeatureFiles, FeatureError> {
    let file = match model.is_dir() {
        true => model.join(INCEPTION),
        false => model.to_owned(),
    };
    Ok(FeatureFiles {
        weights: vec![OpenWeights::Torch(TorchFile::open(&file)?)],
        load: Box::new(|sources, execution| {
            let config = InceptionConfig::default();
            let network = InceptionV3::load(sources[0], config, &execution.device, execution.dtype)?;
            let prepared = Prepared {
                preprocessing: Preprocessing::clean_fid(),
                execution,
            };
            Ok(FeatureNetwork::Inception(Box::new(network), prepared))
        }),
    })
}

fn dino(model: &Path) -> Result<FeatureFiles, FeatureError> {
    let path = model.join("config.json");
    let fields = read_object(&path).map_err(JudgeError::from)?;
    let config = DinoConfig::try_from(fields).map_err(|source| FeatureError::Setting { path, source })?;
    let model = model.to_owned();
    Ok(FeatureFiles {
        weights: vec![OpenWeights::Folder(WeightsFolder::open(&model, "model")?)],
        load: Box::new(move |sources, execution| {
            let settings = DinoSettings::default();
            let loaded = DinoModel::load(sources[0], &config, settings, &execution.device, execution.dtype);
            let network = loaded.map_err(|source| FeatureError::Dino { path: model, source })?;
            let prepared = Prepared {
                preprocessing: Preprocessing::dgm_eval(settings.side),
                execution,
            };
            Ok(FeatureNetwork::Dino(Box::new(network), prepared))
        }),
    })
}

fn clip(model: &Path) -> Result<FeatureFiles, FeatureError> {
    let files = ClipFiles::open(model)?;
    Ok(FeatureFiles {
        weights: vec![OpenWeights::Folder(files.weights.clone())],
        load: Box::new(move |sources, execution| {
            let preprocessing = Preprocessing::cmmd(files.config.vision.image_size);
            let embeddings = ImageEmbeddings::load(sources[0], &files.config, preprocessing, execution);
            Ok(FeatureNetwork::Clip {
                embeddings: Box::new(embeddings.map_err(JudgeError::from)?),
                width: files.config.projection_dim,
            })
        }),
    })
}
