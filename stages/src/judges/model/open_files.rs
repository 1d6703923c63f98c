//! The files of a judge, open and not yet loaded, and the digest of everything that is read of them.

use std::fs::Metadata;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use mitune_diffusion::input_file::{InputFileError, LONGEST_LIST, is_there, open_file};
use mitune_diffusion::nn::weights::{
    DigestedTensors, SafetensorsFile, TensorSource, TorchFile, WeightsError, WeightsFolder, digest_tensors,
};
use mitune_judges::clip_judges::{Execution, JudgeError};
use mitune_store::{ContentDigest, Digest};

use super::float_tensors::FloatTensors;
use super::network::Network;
use crate::contract::{Digested, FileIdentity};

/// The hash domain. A change of meaning takes a new one.
const CONTEXT: &str = "mitune 2026 files of a judge";

/// Loads a network from tensors, one source for each file or folder of weights.
type Load<N, E> = Box<dyn FnOnce(&[&dyn TensorSource], Execution) -> Result<N, E>>;

/// Files of a network that are open, by default of a judge's.
pub(crate) struct OpenFiles<N = Network, E = JudgeError> {
    /// Everything that tensors are read from.
    pub(crate) weights: Vec<OpenWeights>,
    /// Makes the network of them.
    pub(crate) load: Load<N, E>,
}

/// Where tensors are read from.
pub(crate) enum OpenWeights {
    Folder(WeightsFolder),
    Torch(TorchFile),
}

impl<N, E: From<WeightsError>> OpenFiles<N, E> {
    /// Loads the network.
    ///
    /// # Errors
    /// When tensors do not fit or cannot be read.
    pub(crate) fn load(self, execution: Execution) -> Result<N, E> {
        let sources = self.weights.iter().map(OpenWeights::source);
        let floats: Vec<FloatTensors<'_>> = sources.map(FloatTensors).collect();
        (self.load)(&of_floats(&floats), execution)
    }

    /// Loads the network, and hashes the tensors on their way: one digest for each source.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(crate) fn load_digested(self, execution: Execution) -> Result<(N, Vec<blake3::Hash>), E> {
        let Self { weights, load } = self;
        let digested: Vec<DigestedTensors<'_>> = weights
            .iter()
            .map(|weights| DigestedTensors::new(weights.source()))
            .collect();
        let floats: Vec<FloatTensors<'_>> = digested.iter().map(|source| FloatTensors(source)).collect();
        let network = load(&of_floats(&floats), execution)?;
        let digests = digested.into_iter().zip(&weights);
        let digests = digests.map(|(digested, weights)| match digested.finish() {
            // Tensors of several layers in one are read once for each of them.
            Err(WeightsError::NotReadOnce { .. }) => digest_tensors(weights.source()),
            digest => digest,
        });
        Ok((network, digests.collect::<Result<Vec<_>, WeightsError>>()?))
    }

    /// Hashes the tensors alone.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn digests(&self) -> Result<Vec<blake3::Hash>, WeightsError> {
        self.weights
            .iter()
            .map(|weights| digest_tensors(weights.source()))
            .collect()
    }

    /// The paths of all files of weights, as they were opened.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.weights.iter().flat_map(OpenWeights::paths).collect()
    }

    /// What the system says of these files.
    ///
    /// # Errors
    /// When it does not say.
    pub(crate) fn metadata(&self) -> Result<Vec<Metadata>, WeightsError> {
        let mut found = Vec::new();
        for weights in &self.weights {
            match weights {
                OpenWeights::Folder(folder) => {
                    for file in folder.files() {
                        found.push(file.file_metadata()?);
                    }
                }
                OpenWeights::Torch(file) => found.push(file.file_metadata()?),
            }
        }
        Ok(found)
    }
}

fn of_floats<'a>(tensors: &'a [FloatTensors<'_>]) -> Vec<&'a dyn TensorSource> {
    let sources = tensors.iter().map(|tensors| -> &'a dyn TensorSource { tensors });
    sources.collect()
}

impl OpenWeights {
    fn source(&self) -> &dyn TensorSource {
        match self {
            Self::Folder(folder) => folder,
            Self::Torch(file) => file,
        }
    }

    fn paths(&self) -> Vec<PathBuf> {
        let file = |file: &SafetensorsFile| file.path().to_owned();
        match self {
            Self::Folder(folder) => folder.files().iter().map(file).collect(),
            Self::Torch(file) => vec![file.path().to_owned()],
        }
    }
}

/// Configurations and vocabularies as they were read: their names, bytes and identities.
#[derive(PartialEq)]
pub(crate) struct SmallFiles(Vec<(&'static str, Vec<u8>, FileIdentity)>);

impl SmallFiles {
    /// Reads those of the names that are there.
    ///
    /// # Errors
    /// When one is there and cannot be read.
    pub(crate) fn read(folder: &Path, names: &[&'static str]) -> Result<Self, InputFileError> {
        let there = names.iter().filter(|name| is_there(&folder.join(name)));
        let files = there.map(|name| {
            let (bytes, identity) = read_identified(&folder.join(name))?;
            Ok((*name, bytes, identity))
        });
        files.collect::<Result<_, _>>().map(Self)
    }

    /// The digest of these files and of weights.
    pub(crate) fn digest_with(&self, weights: &[blake3::Hash]) -> ContentDigest {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        for (name, bytes, _) in &self.0 {
            for part in [name.as_bytes(), bytes.as_slice()] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        for digest in weights {
            hasher.update(digest.as_bytes());
        }
        ContentDigest::new(Digest::from(hasher.finalize()))
    }

    /// The digest with weights that are open, and what it was made from.
    ///
    /// # Errors
    /// When weights cannot be read.
    pub(crate) fn digested<N, E: From<WeightsError>>(
        &self,
        files: &OpenFiles<N, E>,
    ) -> Result<Digested, WeightsError> {
        let digest = self.digest_with(&files.digests()?);
        let metadata = files.metadata()?;
        let weights = metadata.iter().map(FileIdentity::of);
        let small = self.0.iter().map(|(_, _, identity)| *identity);
        Ok(Digested {
            digest,
            read: small.chain(weights).collect(),
        })
    }

    /// The paths of the files.
    pub(crate) fn paths(&self, folder: &Path) -> Vec<PathBuf> {
        self.0.iter().map(|(name, ..)| folder.join(name)).collect()
    }
}

/// Reads a file whole, and says which one it was.
fn read_identified(path: &Path) -> Result<(Vec<u8>, FileIdentity), InputFileError> {
    let (file, _) = open_file(path)?;
    let failed = |source| InputFileError::Read {
        path: path.to_owned(),
        source,
    };
    let identity = FileIdentity::of(&file.metadata().map_err(failed)?);
    let mut bytes = Vec::new();
    file.take(LONGEST_LIST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    match bytes.len() as u64 {
        found if found > LONGEST_LIST => Err(InputFileError::TooLong {
            path: path.to_owned(),
            found,
            limit: LONGEST_LIST,
        }),
        _ => Ok((bytes, identity)),
    }
}
