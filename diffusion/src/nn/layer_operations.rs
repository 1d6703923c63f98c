//! Floating point operations of layers, a multiplication and an addition counted as two.
//!
//! Only products of matrices count, as is usual: they are what hardware promises a rate for.

/// Operations of a convolution with square kernels.
pub(crate) fn convolution([input, output]: [usize; 2], kernel: usize, [height, width]: [usize; 2]) -> u64 {
    product([input * kernel * kernel, output], height * width)
}

/// Operations of a linear layer on a number of rows.
pub(crate) fn product([input, output]: [usize; 2], rows: usize) -> u64 {
    2 * [input, output, rows]
        .into_iter()
        .map(|size| size as u64)
        .product::<u64>()
}

/// Operations of scores and weighted sums between tokens, over all heads.
pub(crate) fn attention(tokens: usize, context: usize, features: usize) -> u64 {
    2 * product([features, context], tokens)
}
