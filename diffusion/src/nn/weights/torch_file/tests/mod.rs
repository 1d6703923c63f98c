mod damage;
mod files;
mod hostile;
mod writer;

use std::error::Error as _;
use std::path::PathBuf;

use super::super::{TensorSource, WeightsError};
use super::TorchFile;

/// Opens bytes as a file.
fn open(bytes: &[u8]) -> Result<TorchFile, WeightsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    std::fs::write(&path, bytes).unwrap();
    TorchFile::open(&path)
}

/// What is wrong with the bytes of a file.
fn problem(bytes: &[u8]) -> String {
    reason(&open(bytes).unwrap_err())
}

fn reason(error: &WeightsError) -> String {
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

/// Every tensor by way of its parts, read in an odd number of bytes at a time.
fn in_parts(file: &TorchFile, name: &str, length: usize) -> Vec<u8> {
    let reader = file.parts(name).unwrap();
    let mut bytes = vec![0; length];
    for (index, part) in bytes.chunks_mut(7).enumerate() {
        reader.read_part(index as u64 * 7, part).unwrap();
    }
    bytes
}

/// The path of a golden file.
fn golden(name: &str) -> PathBuf {
    crate::nn::weights::golden::path(&format!("torch_files/{name}"))
}
