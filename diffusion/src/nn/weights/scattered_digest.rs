//! A BLAKE3 digest of a text whose parts come in any order.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use blake3::hazmat::{
    ChainingValue, ContextKey, HasherExt as _, Mode, hash_derive_key_context, left_subtree_len,
    merge_subtrees_non_root, merge_subtrees_root,
};
use blake3::{Hash, Hasher};

/// Bytes that are hashed in one piece: a subtree of BLAKE3's, large enough for its vector instructions.
const LEAF: usize = 1 << 16;

/// Takes every byte of a text once, in any order and from any thread, and gives the digest of the whole.
///
/// BLAKE3 is a tree over pieces of the text, so a piece can be hashed as soon as it is there (section 2.1 of its
/// paper). The digest is that of a [`Hasher`] that reads the text from its beginning.
pub(super) struct ScatteredDigest {
    context: ContextKey,
    length: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    finished: HashMap<u64, Leaf>,
    /// Leaves that have only some of their bytes, and how many.
    begun: HashMap<u64, (Vec<u8>, usize)>,
    repeated: bool,
}

#[derive(Clone, Copy)]
enum Leaf {
    Node(ChainingValue),
    /// The only one of its text.
    Root(Hash),
}

impl ScatteredDigest {
    /// Begins the digest of a text of `length` bytes in the hash domain of `context`.
    pub(super) fn new(context: &str, length: u64) -> Self {
        Self {
            context: hash_derive_key_context(context),
            length,
            state: Mutex::default(),
        }
    }

    /// Takes the bytes from `offset` on.
    pub(super) fn add(&self, offset: u64, bytes: &[u8]) {
        let mut rest = bytes;
        let mut position = offset;
        while !rest.is_empty() {
            let leaf = position / LEAF as u64;
            let begin = (position % LEAF as u64) as usize;
            let length = self.leaf_length(leaf);
            let (piece, later) = rest.split_at(rest.len().min(length.saturating_sub(begin).max(1)));
            if piece.len() == length {
                let hashed = self.hash(leaf, piece);
                self.state().finish(leaf, hashed);
            } else {
                self.add_to_leaf(leaf, begin, length, piece);
            }
            position += piece.len() as u64;
            rest = later;
        }
    }

    /// Returns the digest, or none if a byte is lacking or came twice.
    pub(super) fn finish(self) -> Option<Hash> {
        let state = self.state();
        if state.repeated || !state.begun.is_empty() {
            return None;
        }
        if self.length == 0 {
            return Some(Hasher::new_from_context_key(&self.context).finalize());
        }
        if let Some(Leaf::Root(hash)) = state.finished.get(&0) {
            return Some(*hash);
        }
        let left = left_subtree_len(self.length);
        let halves = [(0, left), (left, self.length - left)];
        let [left, right] = halves.map(|(begin, length)| self.subtree(&state, begin, length));
        Some(merge_subtrees_root(&left?, &right?, self.mode()))
    }

    fn subtree(&self, state: &State, begin: u64, length: u64) -> Option<ChainingValue> {
        if length <= LEAF as u64 {
            return match state.finished.get(&(begin / LEAF as u64))? {
                Leaf::Node(value) => Some(*value),
                Leaf::Root(_) => None,
            };
        }
        let left = left_subtree_len(length);
        let right = self.subtree(state, begin + left, length - left)?;
        let left = self.subtree(state, begin, left)?;
        Some(merge_subtrees_non_root(&left, &right, self.mode()))
    }

    fn add_to_leaf(&self, leaf: u64, begin: usize, length: usize, piece: &[u8]) {
        let mut state = self.state();
        if begin + piece.len() > length || state.finished.contains_key(&leaf) {
            state.repeated = true;
            return;
        }
        let (bytes, filled) = state.begun.entry(leaf).or_insert_with(|| (vec![0; length], 0));
        bytes[begin..begin + piece.len()].copy_from_slice(piece);
        *filled += piece.len();
        let filled = *filled;
        state.repeated |= filled > length;
        if filled >= length
            && let Some((bytes, _)) = state.begun.remove(&leaf)
        {
            let hashed = self.hash(leaf, &bytes);
            state.finish(leaf, hashed);
        }
    }

    fn hash(&self, leaf: u64, bytes: &[u8]) -> Leaf {
        let mut hasher = Hasher::new_from_context_key(&self.context);
        if self.length <= LEAF as u64 {
            return Leaf::Root(hasher.update(bytes).finalize());
        }
        hasher.set_input_offset(leaf * LEAF as u64);
        Leaf::Node(hasher.update(bytes).finalize_non_root())
    }

    fn leaf_length(&self, leaf: u64) -> usize {
        let begin = leaf.saturating_mul(LEAF as u64);
        self.length.saturating_sub(begin).min(LEAF as u64) as usize
    }

    fn mode(&self) -> Mode<'_> {
        Mode::DeriveKeyMaterial(&self.context)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked while it held the state has left it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn finish(&mut self, leaf: u64, hashed: Leaf) {
        self.repeated |= self.finished.insert(leaf, hashed).is_some();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONTEXT: &str = "mitune test of scattered digests";

    fn text(length: usize) -> Vec<u8> {
        let bytes = 0..length as u32;
        bytes
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect()
    }

    /// The digest of a text that comes in pieces cut at some positions, in an order that follows from a seed.
    fn scattered(text: &[u8], cuts: &[usize], seed: u64) -> Option<Hash> {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
        ends.extend([0, text.len()]);
        ends.sort_unstable();
        let mut pieces: Vec<_> = ends.windows(2).map(|ends| ends[0]..ends[1]).collect();
        pieces.sort_by_key(|piece| (piece.start as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let digest = ScatteredDigest::new(CONTEXT, text.len() as u64);
        for piece in pieces {
            digest.add(piece.start as u64, &text[piece]);
        }
        digest.finish()
    }

    #[test]
    fn sizes_around_those_of_leaves_give_the_digest_of_the_whole() {
        let sizes = [
            0,
            1,
            1024,
            1025,
            LEAF - 1,
            LEAF,
            LEAF + 1,
            2 * LEAF,
            3 * LEAF + 1,
            5 * LEAF - 1,
            8 * LEAF,
        ];
        for size in sizes {
            let text = text(size);
            let expected = Hash::from(blake3::derive_key(CONTEXT, &text));
            assert_eq!(scattered(&text, &[], 0), Some(expected), "{size}");
            assert_eq!(
                scattered(&text, &[1, 1000, LEAF, LEAF + 7, 2 * LEAF], 1),
                Some(expected),
                "{size}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn pieces_in_any_order_give_the_digest_of_the_whole(
            size in 0..6 * LEAF, cuts in prop::collection::vec(any::<usize>(), 0..12), seed in any::<u64>(),
        ) {
            let text = text(size);
            let expected = Hash::from(blake3::derive_key(CONTEXT, &text));
            prop_assert_eq!(scattered(&text, &cuts, seed), Some(expected));
        }
    }

    #[test]
    fn bytes_that_lack_or_come_twice_or_lie_outside_give_none() {
        let text = text(3 * LEAF + 5);
        let parts: [&[(usize, usize)]; 6] = [
            &[(0, 3 * LEAF)],
            &[(0, LEAF), (LEAF + 1, 3 * LEAF + 5)],
            &[(0, 3 * LEAF + 5), (LEAF, 2 * LEAF)],
            &[(0, 3 * LEAF + 5), (10, 20)],
            &[(0, 10), (5, 3 * LEAF + 5)],
            &[],
        ];
        for parts in parts {
            let digest = ScatteredDigest::new(CONTEXT, text.len() as u64);
            for &(begin, end) in parts {
                digest.add(begin as u64, &text[begin..end]);
            }
            assert_eq!(digest.finish(), None, "{parts:?}");
        }
        let digest = ScatteredDigest::new(CONTEXT, text.len() as u64);
        digest.add(0, &text);
        digest.add(text.len() as u64, &[0]);
        assert_eq!(digest.finish(), None);
    }
}
