//! Sets of millions of digests in little memory.

use crate::names::Digest;

/// Bytes kept of a digest besides the two that choose its bucket: 128 bits in all.
///
/// Two digests that agree in as many bits would have to be searched for on purpose; for blobs it would only keep one of
/// them alive.
const KEPT: usize = 14;

/// A set of digests, sorted within buckets by their first two bytes.
#[derive(Debug)]
pub(crate) struct DigestSet {
    buckets: Vec<Vec<[u8; KEPT]>>,
}

impl Default for DigestSet {
    fn default() -> Self {
        Self {
            buckets: vec![Vec::new(); 1 << 16],
        }
    }
}

impl DigestSet {
    /// Adds a digest and tells whether it is new.
    pub(crate) fn insert(&mut self, digest: &Digest) -> bool {
        let (bucket, rest) = split(digest);
        let bucket = &mut self.buckets[bucket];
        match bucket.binary_search(&rest) {
            Ok(_) => false,
            Err(place) => {
                bucket.insert(place, rest);
                true
            }
        }
    }

    pub(crate) fn contains(&self, digest: &Digest) -> bool {
        let (bucket, rest) = split(digest);
        self.buckets[bucket].binary_search(&rest).is_ok()
    }

    pub(crate) fn remove(&mut self, digest: &Digest) {
        let (bucket, rest) = split(digest);
        let bucket = &mut self.buckets[bucket];
        if let Ok(place) = bucket.binary_search(&rest) {
            bucket.remove(place);
        }
    }
}

fn split(digest: &Digest) -> (usize, [u8; KEPT]) {
    let bytes = digest.as_bytes();
    let mut rest = [0; KEPT];
    rest.copy_from_slice(&bytes[2..2 + KEPT]);
    (usize::from(bytes[0]) << 8 | usize::from(bytes[1]), rest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_agrees_with_a_set_of_the_standard_library() {
        let mut set = DigestSet::default();
        let mut expected = BTreeSet::new();
        let mut state = 7_u64;
        for step in 0..50_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few enough numbers that they repeat, spread over all bytes.
            let digest = Digest::new(*blake3::hash(&(state >> 51).to_le_bytes()).as_bytes());
            if step % 5 == 4 {
                set.remove(&digest);
                expected.remove(&digest);
            } else {
                assert_eq!(set.insert(&digest), expected.insert(digest));
            }
        }
        for number in 0..8192_u64 {
            let digest = Digest::new(*blake3::hash(&number.to_le_bytes()).as_bytes());
            assert_eq!(set.contains(&digest), expected.contains(&digest));
        }
    }
}
