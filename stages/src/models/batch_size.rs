//! How many latents are computed together where no setting says so.

/// Elements that the latents of a batch hold at most: eight images of 512 x 512 pixels with four channels.
pub(crate) const BATCH_ELEMENTS: usize = 131_072;

/// Latents in a batch at most.
const MOST: usize = 8;

/// Returns the size of a batch of latents of so many elements: eight, fewer where they are large.
///
/// It is in the keys of candidates and scores, because the last digits depend on it.
pub(crate) fn default_batch_size(elements: usize) -> usize {
    (BATCH_ELEMENTS / elements.max(1)).clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_latents_make_small_batches() {
        let sizes = [0, 1, 16_384, 16_385, 65_536, 131_072, usize::MAX].map(default_batch_size);
        assert_eq!(sizes, [8, 8, 8, 7, 2, 1, 1]);
    }
}
