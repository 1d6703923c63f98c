//! Images as tensors, as 8-bit RGB and as PNG files; [`crate::image_decoding`] reads other files.

mod damage;

use burn::tensor::{DType, Device, Tensor, TensorData, TensorReadError};

pub use damage::ImageDamage;

/// An image of 8-bit red, green and blue, row by row from the top left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

/// A failure to convert or decode an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The number of bytes does not fit width and height.
    #[error("Image of {width} x {height} has {found} bytes, expected {expected}")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Three per pixel.
        expected: u64,
        /// Bytes given.
        found: u64,
    },
    /// A tensor is not an image.
    #[error("Tensor has shape {found:?}, expected 3 channels and at least 1 x 1 pixels")]
    Shape {
        /// The tensor's shape.
        found: [usize; 3],
    },
    /// A tensor holds values that are no colour.
    #[error("Tensor holds {count} NaN or infinite values")]
    NotFinite {
        /// How many.
        count: usize,
    },
    /// A tensor could not be read from its device.
    #[error("Cannot read the tensor")]
    Unreadable {
        /// The device's reason.
        source: TensorReadError,
    },
    /// A file is no image of a kind that is read.
    #[error("It is {found}, expected PNG, JPEG or WebP")]
    Format {
        /// What it is, with its article.
        found: &'static str,
    },
    /// An image has more pixels than are read.
    #[error(
        "It has {width} x {height} pixels, which are {}, more than the {limit} that are read; make it smaller",
        width.saturating_mul(*height)
    )]
    TooLarge {
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
        /// Most pixels that are read.
        limit: u64,
    },
    /// A file is damaged or ends too early.
    #[error("Cannot decode {format}")]
    Decode {
        /// The kind of file.
        format: &'static str,
        /// What is wrong with it.
        source: ImageDamage,
    },
    /// An image could not be written as PNG.
    #[error("Cannot encode PNG")]
    Encode {
        /// The encoder's reason.
        source: png::EncodingError,
    },
}

impl RgbImage {
    /// Wraps pixels, three bytes each.
    ///
    /// # Errors
    /// [`ImageError::Size`] when there are too few or too many bytes.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self, ImageError> {
        let expected = 3 * u64::from(width) * u64::from(height);
        let found = pixels.len() as u64;
        match found == expected {
            true => Ok(Self {
                width,
                height,
                pixels,
            }),
            false => Err(ImageError::Size {
                width,
                height,
                expected,
                found,
            }),
        }
    }

    /// Wraps pixels whose number is known to fit.
    pub(crate) fn of_fitting(width: u32, height: u32, pixels: Vec<u8>) -> Self {
        debug_assert_eq!(pixels.len() as u64, 3 * u64::from(width) * u64::from(height));
        Self {
            width,
            height,
            pixels,
        }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Red, green and blue of each pixel, row by row from the top left.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Converts a decoded image, `round(255 clamp(x / 2 + 1/2, 0, 1))` with ties to even, which is
    /// what diffusers' image processor does.
    ///
    /// # Shapes
    /// - image: `[3, height, width]`
    ///
    /// # Errors
    /// When the tensor is no image or holds NaN or infinite values: a model that diverged must not
    /// pass for one that draws black.
    pub fn from_tensor(image: Tensor<3>) -> Result<Self, ImageError> {
        let found = image.dims();
        let [channels, height, width] = found;
        let (Ok(wide), Ok(high)) = (u32::try_from(width), u32::try_from(height)) else {
            return Err(ImageError::Shape { found });
        };
        if channels != 3 || wide == 0 || high == 0 {
            return Err(ImageError::Shape { found });
        }
        let values = image
            .try_into_data_dtype(DType::F32)
            .and_then(|data| Ok(data.try_into_vec::<f32>()?))
            .map_err(|source| ImageError::Unreadable { source })?;
        let count = values.iter().filter(|value| !value.is_finite()).count();
        if count > 0 {
            return Err(ImageError::NotFinite { count });
        }
        let area = height * width;
        let pixels = (0..area)
            .flat_map(|position| [0, 1, 2].map(|channel| to_byte(values[channel * area + position])))
            .collect();
        Self::new(wide, high, pixels)
    }

    /// Converts to a tensor, `x / 127.5 - 1`.
    ///
    /// # Shapes
    /// - output: `[3, height, width]` with values in -1..1
    pub fn to_tensor(&self, device: &Device) -> Tensor<3> {
        let (height, width) = (self.height as usize, self.width as usize);
        // A list that grows by itself takes up to twice the memory.
        let mut values = Vec::with_capacity(self.pixels.len());
        for channel in 0..3 {
            let plane = self.pixels.iter().skip(channel).step_by(3);
            values.extend(plane.map(|byte| f32::from(*byte) / 127.5 - 1.0));
        }
        Tensor::from_data(TensorData::new(values, [3, height, width]), (device, DType::F32))
    }

    /// Encodes as PNG; the same pixels always give the same bytes.
    ///
    /// # Errors
    /// When the image has no pixels.
    pub fn to_png(&self) -> Result<Vec<u8>, ImageError> {
        let encode = |source| ImageError::Encode { source };
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        let mut writer = encoder.write_header().map_err(encode)?;
        writer.write_image_data(&self.pixels).map_err(encode)?;
        writer.finish().map_err(encode)?;
        Ok(bytes)
    }
}

fn to_byte(value: f32) -> u8 {
    ((value / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient() -> RgbImage {
        let pixels = (0..5 * 7 * 3).map(|index| (index * 37 % 256) as u8).collect();
        RgbImage::new(5, 7, pixels).unwrap()
    }

    #[test]
    fn tensors_and_png_round_trip() {
        let device = Device::flex();
        let every_byte = RgbImage::new(256, 1, (0..256).flat_map(|byte| [byte as u8; 3]).collect()).unwrap();
        for image in [gradient(), every_byte] {
            assert_eq!(RgbImage::from_tensor(image.to_tensor(&device)).unwrap(), image);
            let png = image.to_png().unwrap();
            assert_eq!(png, image.to_png().unwrap());
            assert_eq!(RgbImage::from_png(&png).unwrap(), image);
        }
    }

    #[test]
    fn channels_are_planes_and_values_are_clamped() {
        let values = [-1.0, 1.0, -3.0, 3.0, 0.0, 1.0 / 255.0];
        let data = TensorData::new(values.map(|value: f64| value as f32).to_vec(), [3, 1, 2]);
        let image = RgbImage::from_tensor(Tensor::from_data(data, &Device::flex())).unwrap();
        // 0 is 127.5, which rounds to the even 128; 1/255 is 128.
        assert_eq!(image.pixels(), [0, 0, 128, 255, 255, 128]);
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let device = Device::flex();
        let nan = Tensor::<3>::full([3, 1, 1], f32::NAN, &device);
        assert!(matches!(
            RgbImage::from_tensor(nan),
            Err(ImageError::NotFinite { count: 3 })
        ));
        let grey = Tensor::<3>::zeros([1, 2, 2], &device);
        assert!(matches!(
            RgbImage::from_tensor(grey),
            Err(ImageError::Shape { .. })
        ));
        assert!(matches!(
            RgbImage::new(2, 2, vec![0; 11]),
            Err(ImageError::Size { expected: 12, .. })
        ));
        let png = gradient().to_png().unwrap();
        for cut in [0, 7, 40, png.len() - 13] {
            assert!(RgbImage::from_png(&png[..cut]).is_err(), "{cut}");
        }
    }
}
