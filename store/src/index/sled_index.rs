//! The index on disk; the one place that names sled.

use std::ops::Bound;
use std::path::Path;

use super::error::IndexError;
use super::{Change, Index, Pair};

/// Memory for pages. The rest of what sled needs grows with the number of entries.
const CACHE_BYTES: u64 = 16 << 20;

/// The index on disk.
#[derive(Debug)]
pub(super) struct SledIndex(sled::Db);

impl SledIndex {
    pub(super) fn open(path: &Path) -> Result<Self, IndexError> {
        let failed = |error: std::io::Error| IndexError::Failed(error.to_string());
        std::fs::create_dir_all(path).map_err(failed)?;
        let config = sled::Config::default()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .mode(sled::Mode::LowSpace)
            // Every batch is flushed once; a thread that does it twice a second is of no use.
            .flush_every_ms(None);
        Ok(Self(config.open()?))
    }
}

impl From<sled::Error> for IndexError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => Self::InUse,
            error => Self::Failed(error.to_string()),
        }
    }
}

impl Index for SledIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.0.get(key)?.map(|value| value.to_vec()))
    }

    fn put_batch(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        // Batches of sled hold on to ten times the memory of what is in them; entries do not depend on each other.
        for (key, value) in changes {
            match value {
                Some(value) => self.0.insert(key, value)?,
                None => self.0.remove(key)?,
            };
        }
        self.0.flush()?;
        Ok(())
    }

    fn prefix(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, IndexError> {
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let mut pairs = Vec::new();
        for pair in self.0.range::<&[u8], _>((start, Bound::Unbounded)).take(limit) {
            let (key, value) = pair?;
            if !key.starts_with(prefix) {
                break;
            }
            pairs.push((key.to_vec(), value.to_vec()));
        }
        Ok(pairs)
    }

    fn clear(&self) -> Result<(), IndexError> {
        self.0.clear()?;
        self.0.flush()?;
        Ok(())
    }
}
