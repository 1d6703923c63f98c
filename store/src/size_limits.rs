//! The most bytes that a file of each kind may have where it is read into memory as a whole, from wherever it comes.

/// The largest blob that is read as a whole; larger ones are read piece by piece from their path.
pub(crate) const WHOLE_LIMIT: u64 = 4 << 30;

/// The largest blob that is read whole as a list of rows or files, or as a value of JSON.
pub(crate) const LIST_LIMIT: u64 = 256 << 20;

/// The largest blob that holds the value a key was derived from: the settings of a stage.
pub(crate) const PREIMAGE_LIMIT: u64 = 16 << 20;

/// The largest header of a file of tensors that its readers accept.
pub(crate) const TENSOR_HEADER_LIMIT: usize = 100_000_000;

/// The largest action record; larger values belong into an artifact.
pub(crate) const ACTION_LIMIT: usize = 64 * 1024;

/// Bytes that one input takes in an action record at most, if its name has up to 24: two digests, and their fields on
/// lines of their own.
const INPUT_SIZE: usize = 208;

/// Bytes of an action record that its inputs leave to outputs, figures and all else.
const BESIDE_INPUTS: usize = 12 * 1024;

/// The most inputs that a result may have so that its action record surely has room for them.
pub const MOST_INPUTS: usize = (ACTION_LIMIT - BESIDE_INPUTS) / INPUT_SIZE;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Value;
    use crate::names::{ContentDigest, Digest, FileDigest, StageKey, domain};
    use crate::records::{ActionRecord, InputRecord, sealed};

    /// The size of a record with so many inputs, whose names are as long as a name may be.
    fn record_size(inputs: usize) -> usize {
        let key = StageKey::derive(&Value::from("compare")).unwrap();
        let mut record = ActionRecord::new(key, FileDigest::of(b"preimage"), "compare", 1);
        let input = InputRecord {
            content: ContentDigest::new(Digest::new([0xab; 32])),
            stage: Some(key),
        };
        let name = |index: usize| format!("{}[{index:03}]", "t".repeat(19));
        record.inputs = (0..inputs).map(|index| (name(index), input.clone())).collect();
        sealed::seal(domain::ACTION_RECORD, &record).unwrap().len()
    }

    #[test]
    fn as_many_inputs_as_are_allowed_fit_into_a_record() {
        assert_eq!(MOST_INPUTS, 256);
        let (one, most) = (record_size(1), record_size(MOST_INPUTS));
        assert_eq!(most - one, (MOST_INPUTS - 1) * INPUT_SIZE);
        assert!(most + 10 * 1024 <= ACTION_LIMIT, "{most}");
        assert!(record_size(400) > ACTION_LIMIT);
    }
}
