//! Results in the store with what their keys are derived from.

use mitune_store::{ActionRecord, Store, StoreError, Value};
use serde::Serialize;

/// A result with what its key is derived from.
#[derive(Debug, Serialize)]
pub(crate) struct StoredResult {
    /// None where it is gone, which leaves the rest worth showing.
    pub(crate) preimage: Option<Value>,
    pub(crate) record: ActionRecord,
}

impl StoredResult {
    /// Lists the results whose key, file or content begins with some digits, the newest first.
    pub(crate) fn beginning_with(store: &Store, digits: &str) -> Result<Vec<Self>, StoreError> {
        let begins = |digest: String| digest.starts_with(digits);
        let is_meant = |record: &ActionRecord| {
            let mut outputs = record.outputs.values();
            begins(record.key.to_string())
                || outputs.any(|output| begins(output.file.to_string()) || begins(output.content.to_string()))
        };
        let mut records: Vec<ActionRecord> = store.catalog().actions()?.filter(is_meant).collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.ended));
        let results = records.into_iter().map(|record| Self {
            preimage: store.records().read_preimage(&record.preimage).ok(),
            record,
        });
        Ok(results.collect())
    }
}
