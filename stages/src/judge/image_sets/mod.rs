//! How far apart two folders of images are.

pub(crate) mod features;
pub(crate) mod folder;
pub(crate) mod set_features;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::FloatDType;
use mitune_diffusion::device::DeviceSelection;
use mitune_judges::clip_judges::Execution;
use mitune_judges::pair_judge::too_narrow;
use mitune_judges::set_distance::{SetDistanceError, SetEstimate};

use self::features::FeatureNetwork;
use self::folder::ImageFolder;
use self::set_features::{SetFeatures, set_distance};
use crate::contract::{Dtype, Progress, StageError, Work};
use crate::models::loaded_model::check_dtype;
use crate::models::model_source::float_dtype;

pub use mitune_judges::set_distance::Resampling;

/// A distance of two sets of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetJudge {
    /// The Frechet distance of Inception's features, in clean-fid's mode "clean".
    Fid,
    /// The Frechet distance of DINOv2's class tokens.
    FdDino,
    /// The maximum mean discrepancy of CLIP's embeddings.
    Cmmd,
}

/// Which folders to compare, and with what.
#[derive(Clone, Debug)]
pub struct ImageSets {
    /// The distance.
    pub judge: SetJudge,
    /// Folder of the network.
    pub model: PathBuf,
    /// Device to compute on.
    pub device: DeviceSelection,
    /// Number format of the network.
    pub dtype: Dtype,
    /// Images that go through the network together.
    pub batch_size: NonZeroU32,
    /// Folder of the images.
    pub images: PathBuf,
    /// Folder of the images that they are compared with.
    pub reference: PathBuf,
    /// Resamples that an interval is made of. By default none, without an interval.
    pub resampling: Option<Resampling>,
}

/// A distance, and what it is of.
#[derive(Clone, Debug)]
pub struct SetsDistance {
    /// The distance.
    pub distance: f64,
    /// Its interval, if one was asked for.
    pub estimate: Option<SetEstimate>,
    /// Number of images.
    pub images: u64,
    /// Number of images that they were compared with.
    pub reference: u64,
    /// The device, as options name it.
    pub device: String,
}

/// Why two folders could not be compared.
#[derive(Debug, thiserror::Error)]
enum ImageSetsError {
    #[error("Image `{}` cannot be compared{}", path.display(), too_narrow(*dtype))]
    Image {
        path: PathBuf,
        dtype: FloatDType,
        source: SetDistanceError,
    },
    #[error("The folders cannot be compared")]
    Distance(#[source] SetDistanceError),
    #[error("`{}` holds {found} image, but a covariance needs at least 2", folder.display())]
    OneImage { folder: PathBuf, found: usize },
}

impl ImageSets {
    /// Computes the distance.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the network, a folder or an image cannot be used, or there are too few images;
    /// [`StageError::Interrupted`] once `cancelled` is set; [`StageError::Failed`] if the computation fails.
    pub fn distance(
        &self,
        progress: &dyn Progress,
        cancelled: &AtomicBool,
    ) -> Result<SetsDistance, StageError> {
        let images = self.listed(&self.images, progress)?;
        let reference = self.listed(&self.reference, progress)?;
        let opened = self.device.open().map_err(StageError::configuration)?;
        let device = opened.name();
        check_dtype(&opened.device, &device, self.dtype)?;
        let execution = Execution {
            device: opened.device,
            dtype: float_dtype(self.dtype),
            batch: NonZeroUsize::try_from(self.batch_size).unwrap_or(NonZeroUsize::MIN),
        };
        let network = FeatureNetwork::open(self.judge, &self.model, execution)?;
        let (count, of) = (images.len(), reference.len());
        progress.begin(Work {
            total: count + of,
            reused: 0,
            unit: "images",
        });
        let images = self.read(&images, &network, progress, cancelled)?;
        let reference = self.read(&reference, &network, progress, cancelled)?;
        let (distance, estimate) = self.compared([&images, &reference], progress, cancelled)?;
        Ok(SetsDistance {
            distance,
            estimate,
            images: count,
            reference: of,
            device,
        })
    }

    fn compared(
        &self,
        sets: [&SetFeatures; 2],
        progress: &dyn Progress,
        cancelled: &AtomicBool,
    ) -> Result<(f64, Option<SetEstimate>), StageError> {
        if let Some(resampling) = &self.resampling {
            progress.begin(Work {
                total: resampling.replicates as u64,
                reused: 0,
                unit: "resamples",
            });
        }
        let watch = |resamples: usize| {
            progress.advance(resamples as u64);
            !cancelled.load(Ordering::Relaxed)
        };
        let compared = set_distance(self.judge, sets, self.resampling.as_ref(), &watch);
        compared.map_err(|source| match source {
            SetDistanceError::Stopped => StageError::Interrupted,
            source => StageError::failed(ImageSetsError::Distance(source)),
        })
    }

    fn listed(&self, folder: &Path, progress: &dyn Progress) -> Result<ImageFolder, StageError> {
        let listed = ImageFolder::list(folder)?;
        if self.judge != SetJudge::Cmmd && listed.len() < 2 {
            return Err(StageError::configuration(ImageSetsError::OneImage {
                folder: folder.to_owned(),
                found: 1,
            }));
        }
        if let Some(note) = listed.note() {
            progress.message(&note);
        }
        Ok(listed)
    }

    /// Streams the images of a folder through the network.
    fn read(
        &self,
        folder: &ImageFolder,
        network: &FeatureNetwork,
        progress: &dyn Progress,
        cancelled: &AtomicBool,
    ) -> Result<SetFeatures, StageError> {
        let mut set = SetFeatures::new(self.judge, network.width(), self.resampling.is_some());
        for names in folder.images().chunks(self.batch_size.get() as usize) {
            if cancelled.load(Ordering::Relaxed) {
                return Err(StageError::Interrupted);
            }
            let path = |name: &OsString| folder.path().join(name);
            let name_of = |item: usize| format!("image `{}`", path(&names[item]).display());
            let rows = network.features(&folder.read(names)?, name_of)?;
            for (name, row) in names.iter().zip(rows) {
                self.add(&mut set, &row).map_err(|source| {
                    StageError::failed(ImageSetsError::Image {
                        path: path(name),
                        dtype: float_dtype(self.dtype),
                        source,
                    })
                })?;
            }
            progress.advance(names.len() as u64);
        }
        Ok(set)
    }

    /// Adds an image; a direction, which its distance is taken of, is looked for while its name is known.
    fn add(&self, set: &mut SetFeatures, row: &[f32]) -> Result<(), SetDistanceError> {
        if self.judge == SetJudge::Cmmd && row.iter().all(|value| *value == 0.0) {
            return Err(SetDistanceError::Zero { image: set.count() });
        }
        set.push(row)
    }
}
