//! The network as a whole.

use burn::module::Module;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use mitune_diffusion::nn::compute_threads::on_compute_thread;
use mitune_diffusion::nn::kernels::Pooling;
use mitune_diffusion::nn::weights::{
    Dtype, NameTable, SeededTensors, TensorSource, WeightsError, load_module,
};
use serde::{Deserialize, Serialize};

use super::blocks::{InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, halved};
use super::convolution::BasicConv2d;
use super::folded_norms::FoldedNorms;

/// Numbers of an image's features.
pub const FEATURES: usize = 2048;

/// Images with a shorter side have no place left at the end of the network.
const SHORTEST: usize = 75;

/// What features depend on besides the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InceptionConfig {
    /// What black and white are for the network.
    pub input: InputScale,
}

/// What the network sees of an image of 8-bit values; distances differ by a percent and a half between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputScale {
    /// `(x - 128) / 128`, as in clean-fid and in TensorFlow.
    #[default]
    Clean,
    /// `2 x / 255 - 1`, as in pytorch-fid.
    PytorchFid,
}

/// pytorch-fid's Inception v3, up to its features.
#[derive(Debug)]
pub struct InceptionV3 {
    network: Network,
    config: InceptionConfig,
}

#[derive(Module, Debug)]
pub(super) struct Network {
    conv2d_1a_3x3: BasicConv2d,
    conv2d_2a_3x3: BasicConv2d,
    conv2d_2b_3x3: BasicConv2d,
    conv2d_3b_1x1: BasicConv2d,
    conv2d_4a_3x3: BasicConv2d,
    mixed_5b: InceptionA,
    mixed_5c: InceptionA,
    mixed_5d: InceptionA,
    mixed_6a: InceptionB,
    mixed_6b: InceptionC,
    mixed_6c: InceptionC,
    mixed_6d: InceptionC,
    mixed_6e: InceptionC,
    mixed_7a: InceptionD,
    mixed_7b: InceptionE,
    mixed_7c: InceptionE,
}

/// torchvision begins these names with a capital. The classifier is in the file and gives no features.
pub(super) const NAMES: NameTable<'static> = NameTable {
    rename: &[
        ("conv2d_1a_3x3", "Conv2d_1a_3x3"),
        ("conv2d_2a_3x3", "Conv2d_2a_3x3"),
        ("conv2d_2b_3x3", "Conv2d_2b_3x3"),
        ("conv2d_3b_1x1", "Conv2d_3b_1x1"),
        ("conv2d_4a_3x3", "Conv2d_4a_3x3"),
        ("mixed_5b", "Mixed_5b"),
        ("mixed_5c", "Mixed_5c"),
        ("mixed_5d", "Mixed_5d"),
        ("mixed_6a", "Mixed_6a"),
        ("mixed_6b", "Mixed_6b"),
        ("mixed_6c", "Mixed_6c"),
        ("mixed_6d", "Mixed_6d"),
        ("mixed_6e", "Mixed_6e"),
        ("mixed_7a", "Mixed_7a"),
        ("mixed_7b", "Mixed_7b"),
        ("mixed_7c", "Mixed_7c"),
    ],
    former: &[],
    ignored: &["fc.weight", "fc.bias"],
};

impl InceptionV3 {
    /// Loads the tensors of `pt_inception-2015-12-05-6726825d.pth`.
    ///
    /// # Errors
    /// When the tensors do not fit the network.
    pub fn load(
        source: &dyn TensorSource,
        config: InceptionConfig,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, WeightsError> {
        let folded = FoldedNorms::new(source)?;
        Ok(Self {
            network: load_module(Network::new(device), &folded, &NAMES, dtype)
                .map_err(FoldedNorms::by_names_of_the_file)?,
            config,
        })
    }

    /// Makes a network whose weights follow from a seed, with normalisations folded in.
    pub(crate) fn seeded(
        config: InceptionConfig,
        seed: u64,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Self, WeightsError> {
        let network = Network::new(device);
        let weights = SeededTensors::new(seed, Dtype::F32, &network, &NAMES);
        Ok(Self {
            network: load_module(network, &weights, &NAMES, dtype)?,
            config,
        })
    }

    /// Number of parameters.
    pub(crate) fn parameters(&self) -> usize {
        self.network.num_params()
    }

    /// What features depend on besides the weights.
    pub fn config(&self) -> InceptionConfig {
        self.config
    }

    /// The features of images, the mean over all places after the last block, in f32.
    ///
    /// Images are those of [`Preprocessing::clean_fid`](crate::preprocessing::Preprocessing::clean_fid), whatever the
    /// scale: the other one is made of it.
    ///
    /// # Shapes
    /// - images: `[batch, 299, 299, 3]`
    /// - output: `[batch, 2048]`
    ///
    /// # Panics
    /// When a side is shorter than 75 pixels.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let [_, height, width, _] = images.dims();
        assert!(
            height.min(width) >= SHORTEST,
            "images of {height} x {width} pixels, expected at least {SHORTEST} both ways"
        );
        let images = match self.config.input {
            InputScale::Clean => images,
            InputScale::PytorchFid => images * (256.0 / 255.0) + 1.0 / 255.0,
        };
        on_compute_thread(&images.device(), || self.network.features(images))
    }
}

impl Network {
    pub(super) fn new(device: &Device) -> Self {
        Self {
            conv2d_1a_3x3: BasicConv2d::valid([3, 32], 3, 2, device),
            conv2d_2a_3x3: BasicConv2d::valid([32, 32], 3, 1, device),
            conv2d_2b_3x3: BasicConv2d::same([32, 64], [3, 3], device),
            conv2d_3b_1x1: BasicConv2d::pointwise([64, 80], device),
            conv2d_4a_3x3: BasicConv2d::valid([80, 192], 3, 1, device),
            mixed_5b: InceptionA::new(192, 32, device),
            mixed_5c: InceptionA::new(256, 64, device),
            mixed_5d: InceptionA::new(288, 64, device),
            mixed_6a: InceptionB::new(288, device),
            mixed_6b: InceptionC::new(768, 128, device),
            mixed_6c: InceptionC::new(768, 160, device),
            mixed_6d: InceptionC::new(768, 160, device),
            mixed_6e: InceptionC::new(768, 192, device),
            mixed_7a: InceptionD::new(768, device),
            mixed_7b: InceptionE::new(1280, device),
            mixed_7c: InceptionE::new(2048, device),
        }
    }

    fn features(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.conv2d_1a_3x3.forward(images);
        let x = self.conv2d_2a_3x3.forward(x);
        let x = halved(self.conv2d_2b_3x3.forward(x));
        let x = self.conv2d_3b_1x1.forward(x);
        let x = halved(self.conv2d_4a_3x3.forward(x));
        let x = [&self.mixed_5b, &self.mixed_5c, &self.mixed_5d]
            .into_iter()
            .fold(x, |x, block| block.forward(x));
        let x = self.mixed_6a.forward(x);
        let x = [&self.mixed_6b, &self.mixed_6c, &self.mixed_6d, &self.mixed_6e]
            .into_iter()
            .fold(x, |x, block| block.forward(x));
        let x = self.mixed_7a.forward(x);
        let x = self.mixed_7b.forward(x, Pooling::Mean);
        let x = self.mixed_7c.forward(x, Pooling::Maximum);
        let [batch, height, width, channels] = x.dims();
        let places: Tensor<3> = x.cast(DType::F32).reshape([batch, height * width, channels]);
        places.mean_dim(1).reshape([batch, channels])
    }
}
