//! An index that the process forgets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;

use super::error::IndexError;
use super::{Change, Index, Pair};

#[derive(Debug, Default)]
pub(super) struct MemoryIndex(RefCell<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Index for MemoryIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.0.borrow().get(key).cloned())
    }

    fn put_batch(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        let mut map = self.0.borrow_mut();
        for (key, value) in changes {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }

    fn prefix(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, IndexError> {
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let map = self.0.borrow();
        let pairs = map.range::<[u8], _>((start, Bound::Unbounded));
        let pairs = pairs.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(pairs.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn clear(&self) -> Result<(), IndexError> {
        self.0.borrow_mut().clear();
        Ok(())
    }
}
