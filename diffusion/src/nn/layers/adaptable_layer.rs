//! One layer of a model as adapters see it: its weight as rows, and the place of its adapter.

use burn::module::Param;
use burn::tensor::{Device, Tensor};

use super::conv2d::Conv2d;
use super::linear::Linear;
use super::low_rank_adapter::LowRankAdapter;

/// A layer of a model that an adapter can change.
pub enum AdaptableLayer<'a> {
    /// A fully connected layer.
    Linear(&'a mut Linear),
    /// A convolution; its kernel counts as that many more inputs.
    Conv2d(&'a mut Conv2d),
}

/// Size of a layer's weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerShape {
    /// Output features or channels.
    pub outputs: usize,
    /// Input features or channels.
    pub inputs: usize,
    /// Height and width of the kernel, for convolutions only.
    pub kernel: Option<[usize; 2]>,
}

impl LayerShape {
    /// Size of a weight of this shape: a matrix, or the kernel of a convolution.
    pub fn of_weight(shape: &[usize]) -> Option<Self> {
        let (outputs, inputs, kernel) = match *shape {
            [outputs, inputs] => (outputs, inputs, None),
            [outputs, inputs, height, width] => (outputs, inputs, Some([height, width])),
            _ => return None,
        };
        Some(Self {
            outputs,
            inputs,
            kernel,
        })
    }

    /// Entries of one row of the weight: inputs times the area of the kernel.
    pub fn columns(&self) -> usize {
        self.inputs * self.kernel.map_or(1, |[height, width]| height * width)
    }
}

impl AdaptableLayer<'_> {
    /// Size of the layer's weight.
    pub fn shape(&self) -> LayerShape {
        match self {
            Self::Linear(linear) => {
                let [outputs, inputs] = linear.weight.dims();
                LayerShape {
                    outputs,
                    inputs,
                    kernel: None,
                }
            }
            Self::Conv2d(conv) => {
                let [outputs, inputs, height, width] = conv.weight.dims();
                LayerShape {
                    outputs,
                    inputs,
                    kernel: Some([height, width]),
                }
            }
        }
    }

    /// The layer's adapter.
    pub fn adapter(&self) -> Option<&LowRankAdapter> {
        match self {
            Self::Linear(linear) => linear.adapter.as_ref(),
            Self::Conv2d(conv) => conv.adapter.as_ref(),
        }
    }

    /// The place of the layer's adapter.
    pub fn adapter_mut(&mut self) -> &mut Option<LowRankAdapter> {
        match self {
            Self::Linear(linear) => &mut linear.adapter,
            Self::Conv2d(conv) => &mut conv.adapter,
        }
    }

    /// Where the weight is.
    pub fn device(&self) -> Device {
        match self {
            Self::Linear(linear) => linear.weight.device(),
            Self::Conv2d(conv) => conv.weight.device(),
        }
    }

    /// The weight as rows, `[outputs, columns]`.
    pub fn rows(&self) -> Tensor<2> {
        match self {
            Self::Linear(linear) => linear.weight.val(),
            Self::Conv2d(conv) => {
                let shape = self.shape();
                conv.weight.val().reshape([shape.outputs, shape.columns()])
            }
        }
    }

    /// Replaces the weight by what `change` makes of its rows.
    pub fn change_rows(&mut self, change: impl FnOnce(Tensor<2>) -> Tensor<2>) {
        let rows = change(self.rows());
        match self {
            Self::Linear(linear) => linear.weight = replaced(&linear.weight, rows),
            Self::Conv2d(conv) => {
                // In memory as loading leaves it: convolutions read channels next to each other.
                let innermost = rows.reshape(conv.weight.dims()).permute([0, 2, 3, 1]);
                let (device, dtype) = (innermost.device(), innermost.dtype());
                let weight = Tensor::<4>::from_data(innermost.into_data(), (&device, dtype));
                conv.weight = replaced(&conv.weight, weight.permute([0, 3, 1, 2]));
            }
        }
    }
}

/// The parameter with another value and the same identity.
fn replaced<const D: usize>(parameter: &Param<Tensor<D>>, value: Tensor<D>) -> Param<Tensor<D>> {
    parameter.clone().map(|_| value)
}
