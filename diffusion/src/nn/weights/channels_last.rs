//! Convolution weights in the order in memory that convolutions read.
//!
//! Files hold `[out, in, height, width]`; every device convolves images with channels innermost, and would otherwise
//! rearrange the weight in every call.

use burn::tensor::{Bytes, TensorData};
use rayon::prelude::*;

/// Whether a weight is that of a convolution over more than one pixel.
pub(super) fn is_convolution(shape: &[usize]) -> bool {
    shape.len() == 4 && shape[2..] != [1, 1]
}

/// Rearranges `[out, in, height, width]` to `[out, height, width, in]`.
pub(super) fn channels_last(weight: TensorData) -> TensorData {
    let [out, channels, height, width] = std::array::from_fn(|axis| weight.shape()[axis]);
    let (count, dtype, source) = (weight.num_elements(), weight.dtype(), weight.bytes());
    let sizes = [channels, height * width];
    let target = match dtype.size() {
        8 => swap::<8>(source, Bytes::from_elems(vec![0_u64; count]), sizes),
        4 => swap::<4>(source, Bytes::from_elems(vec![0_u32; count]), sizes),
        _ => swap::<2>(source, Bytes::from_elems(vec![0_u16; count]), sizes),
    };
    TensorData::from_bytes(target, [out, height, width, channels], dtype)
}

/// Swaps both axes of each filter, `[channels, area]` of elements of `N` bytes.
fn swap<const N: usize>(source: &[u8], mut target: Bytes, [channels, area]: [usize; 2]) -> Bytes {
    let filter = channels * area * N;
    target
        .par_chunks_mut(filter)
        .zip(source.par_chunks(filter))
        .for_each(|(target, source)| {
            let ((target, _), (source, _)) = (target.as_chunks_mut::<N>(), source.as_chunks::<N>());
            for (position, target) in target.chunks_exact_mut(channels).enumerate() {
                for (target, source) in target.iter_mut().zip(source[position..].iter().step_by(area)) {
                    *target = *source;
                }
            }
        });
    target
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device, Tensor};

    #[test]
    fn every_element_type_is_moved_as_a_permutation_would() {
        let values = TensorData::new((0..2 * 3 * 3 * 5).map(|i| i as f32).collect(), [2, 5, 3, 3]);
        for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
            let weight = values.clone().convert_dtype(dtype);
            let expected = Tensor::<4>::from_data(weight.clone(), (&Device::flex(), dtype));
            let expected = expected.permute([0, 2, 3, 1]).into_data();
            assert_eq!(channels_last(weight), expected);
        }
        assert!(is_convolution(&[4, 4, 3, 3]) && !is_convolution(&[4, 4, 1, 1]) && !is_convolution(&[4, 4]));
    }
}
