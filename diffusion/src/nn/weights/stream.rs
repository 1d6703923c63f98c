//! Writes a safetensors file without holding its tensors in memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use rayon::prelude::*;
use serde_json::{Map, Value, json};

use super::{TensorSource, WeightsError};

/// Bytes that are made together by all threads, and by each of them.
const BLOCK: usize = 1 << 24;
const PART: usize = 1 << 20;

/// Writes every tensor of a source in the order of their names, a block at a time.
///
/// # Errors
/// When a tensor cannot be read or the file cannot be written.
pub fn stream_safetensors(path: &Path, source: &dyn TensorSource) -> Result<(), WeightsError> {
    let failed = |source| WeightsError::Write {
        path: path.to_owned(),
        source,
    };
    let (header, lengths) = header(source);
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    file.write_all(&(header.len() as u64).to_le_bytes())
        .and_then(|()| file.write_all(&header))
        .map_err(failed)?;
    let mut block = Vec::new();
    for (name, length) in lengths {
        let reader = source.parts(&name)?;
        for begin in (0..length).step_by(BLOCK) {
            block.resize(BLOCK.min(length - begin), 0);
            block
                .par_chunks_mut(PART)
                .enumerate()
                .try_for_each(|(part, out)| reader.read_part((begin + part * PART) as u64, out))?;
            file.write_all(&block).map_err(failed)?;
        }
    }
    file.flush().map_err(failed)
}

/// The header, padded to a multiple of eight bytes as the format asks, and each tensor's length.
fn header(source: &dyn TensorSource) -> (Vec<u8>, Vec<(String, usize)>) {
    // transformers refuses files that do not say which framework laid the tensors out.
    let mut entries = Map::from_iter([("__metadata__".to_owned(), json!({ "format": "pt" }))]);
    let mut lengths = Vec::new();
    let mut begin = 0;
    for name in source.names() {
        let Some((dtype, shape)) = source.describe(&name) else {
            continue;
        };
        let length = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, begin + length] });
        entries.insert(name.clone(), entry);
        lengths.push((name, length));
        begin += length;
    }
    let mut header = Value::Object(entries).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    (header, lengths)
}

#[cfg(test)]
mod tests {
    use super::super::{HostTensor, SafetensorsFile, TensorMap};
    use super::*;

    #[test]
    fn a_streamed_file_is_read_back() {
        let numbers: Vec<f32> = (0..(BLOCK / 4 + 3)).map(|i| i as f32).collect();
        let tensors = TensorMap::from([
            (
                "b.large".to_owned(),
                HostTensor::from_f32(&numbers, vec![numbers.len()]),
            ),
            ("a.none".to_owned(), HostTensor::from_f32(&[], vec![0, 3])),
            (
                "c.small".to_owned(),
                HostTensor::from_f32(&[1.0, 2.0], vec![2, 1]),
            ),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        stream_safetensors(&path, &tensors).unwrap();
        assert!(SafetensorsFile::open(&path).unwrap().read_all().unwrap() == tensors);
    }
}
