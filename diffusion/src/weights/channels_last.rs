//! Convolution weights in the order in memory that convolutions read.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

/// Keeps every weight `[out, in, height, width]` of a module with its channels next to each other in memory.
///
/// Shapes and values stay as they are. Files hold `in` outside `height` and `width`; every device convolves images with
/// channels innermost, and would otherwise rearrange the weight in every call. Not for modules whose convolutions are
/// trained: an optimizer step rearranges them again.
pub fn channels_last<M: Module>(module: M) -> M {
    module.map(&mut Rearranger)
}

struct Rearranger;

impl ModuleMapper for Rearranger {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D != 4 || parameter.lazy_shape()[2..] == [1, 1] {
            return parameter;
        }
        parameter.map(|weight| {
            let mut inwards = [0; D];
            let mut outwards = [0; D];
            inwards.copy_from_slice(&[0, 2, 3, 1]);
            outwards.copy_from_slice(&[0, 3, 1, 2]);
            let (device, dtype) = (weight.device(), weight.dtype());
            let stored = weight.permute(inwards).into_data();
            Tensor::from_data(stored, (&device, dtype)).permute(outwards)
        })
    }
}
