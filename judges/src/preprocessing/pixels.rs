//! What a network is given.

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};

/// One image as numbers, `[height, width, 3]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pixels {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Red, green and blue of each pixel, normalised, row by row from the top left.
    pub values: Vec<f32>,
}

impl Pixels {
    /// Images of one size as a tensor.
    ///
    /// # Shapes
    /// - output: `[batch, height, width, 3]`
    ///
    /// # Panics
    /// When the images differ in size, which those of one [`Preprocessing`](super::Preprocessing) for networks do not.
    pub fn batch(images: &[Pixels], device: &Device, dtype: FloatDType) -> Tensor<4> {
        let (height, width) = images.first().map_or((0, 0), |image| (image.height, image.width));
        let mut values = Vec::with_capacity(images.len() * height * width * 3);
        for image in images {
            values.extend_from_slice(&image.values);
        }
        let data = TensorData::new(values, [images.len(), height, width, 3]);
        Tensor::<4>::from_data(data, (device, DType::F32)).cast(dtype)
    }
}
