//! Putting and getting 64 MiB, next to `cp` with `fsync` and to BLAKE3 alone.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use mitune_store::{FileDigest, Store};

use super::error::StoreBenchError;
use super::marks::{Mark, Measurement};
use super::random_bytes::random_bytes;
use super::stopwatch::{median, time};

const SIZE: usize = 64 << 20;
const MEBIBYTES: f64 = 64.0;
const ROUNDS: u64 = 9;

/// Measures in turns, so that a change of the disk's speed meets both sides.
pub(super) fn measure(folder: &Path) -> Result<Vec<Measurement>, StoreBenchError> {
    let store = Store::open(folder.join("store"))?;
    let (mut copies, mut puts, mut imports) = (Vec::new(), Vec::new(), Vec::new());
    let (mut gets, mut hashes) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let bytes = random_bytes(0, round, SIZE);
        let source = folder.join("source");
        write(&source, &bytes)?;
        let copy = folder.join("copy");
        copies.push(time(|| copy_and_sync(&source, &copy))?.1);
        let (digest, seconds) = time(|| Ok(store.blobs().put_bytes(&bytes)?))?;
        puts.push(seconds);
        let other = random_bytes(3, round, SIZE);
        write(&source, &other)?;
        let (imported, seconds) = time(|| import(&store, &source))?;
        imports.push(seconds);
        let (read, seconds) = time(|| Ok(store.blobs().read(&digest)?))?;
        gets.push(seconds);
        hashes.push(time(|| Ok(blake3::Hasher::new().update_rayon(&bytes).finalize()))?.1);
        if read != bytes {
            return Err(StoreBenchError::Wrong("64 MiB came back changed".to_owned()));
        }
        // All go each time: a file in memory that the system has to find first costs several times as much, which
        // would be told as the store's if only its files stayed.
        for path in [
            source,
            copy,
            store.blobs().path(&digest)?,
            store.blobs().path(&imported)?,
        ] {
            std::fs::remove_file(&path).map_err(|error| StoreBenchError::at(&path, error))?;
        }
    }
    let rate = |mut seconds: Vec<f64>| MEBIBYTES / median(&mut seconds);
    let (copy, put, import) = (rate(copies), rate(puts), rate(imports));
    let (get, hash) = (rate(gets), rate(hashes));
    let row = |work: &str, value| Measurement::new(work, value, "MiB/s");
    Ok(vec![
        row("put 64 MiB", put)
            .against("cp + fsync", copy)
            .mark(Mark::Ratio(0.85)),
        row("get 64 MiB", get)
            .against("cp + fsync", copy)
            .mark(Mark::Ratio(0.85)),
        row("put 64 MiB from a file, in pieces", import).against("cp + fsync", copy),
        row("get 64 MiB", get).against("BLAKE3, all threads", hash),
    ])
}

fn import(store: &Store, source: &Path) -> Result<FileDigest, StoreBenchError> {
    let at = |error| StoreBenchError::at(source, error);
    let mut file = File::open(source).map_err(at)?;
    let mut writer = store.blobs().writer(Some(SIZE as u64))?;
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut piece).map_err(at)?;
        if read == 0 {
            return Ok(writer.finish()?);
        }
        writer.write_all(&piece[..read]).map_err(at)?;
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreBenchError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| StoreBenchError::at(path, error))
}

/// Does what `cp` does, then makes the copy durable.
fn copy_and_sync(source: &Path, copy: &Path) -> Result<(), StoreBenchError> {
    let write = || {
        std::fs::copy(source, copy)?;
        File::open(copy)?.sync_all()
    };
    write().map_err(|error| StoreBenchError::at(copy, error))
}
