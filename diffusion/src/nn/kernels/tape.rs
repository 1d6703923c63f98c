//! Puts a kernel with its own derivative between the tensors of a model.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, Flex,
    GradientCheckpointingStrategy,
};
use burn::tensor::{DType, Tensor};
use burn_flex::FlexTensor;

/// An operation on f32 tensors in host memory, with its derivative.
pub(super) trait Kernel<const N: usize>: Clone + Debug + Send + 'static {
    /// What the derivative needs besides the output's gradient.
    type Saved: Clone + Debug + Send + 'static;

    /// Brings an input into the order in memory that the kernel reads; contiguous unless it can do with another.
    fn arrange(&self, _index: usize, input: FlexTensor) -> FlexTensor {
        input.to_contiguous()
    }

    /// Computes the output; what it saves is only kept where a gradient is asked for.
    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved);

    /// Lets go of what the gradients of those inputs that `wanted` is true for do not need.
    fn keep(&self, saved: Self::Saved, _wanted: [bool; N]) -> Self::Saved {
        saved
    }

    /// Computes the gradient of each input for which `wanted` is true.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

/// Runs a kernel, recording it where an input is tracked.
///
/// Gives nothing, and leaves the work to the caller, unless all inputs are f32 tensors of the CPU
/// device without gradient checkpointing.
pub(super) fn apply<K: Kernel<N>, const N: usize, const D: usize>(
    kernel: K,
    inputs: [DispatchTensor; N],
) -> Option<Tensor<D>> {
    let context = inputs
        .iter()
        .fold(DispatchAutodiffContext::Disabled, |context, input| {
            context.merge(input.autodiff)
        });
    if context == DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Balanced) {
        return None;
    }
    let mut operands = Vec::with_capacity(N);
    for input in inputs {
        operands.push(Operand::open(input)?);
    }
    let kind = match context {
        DispatchAutodiffContext::Disabled => {
            let arrange = |(index, operand): (usize, Operand)| kernel.arrange(index, operand.into_values());
            let inputs = operands.into_iter().enumerate().map(arrange).collect::<Vec<_>>();
            let (output, _) = kernel.forward(inputs.try_into().ok()?);
            DispatchTensorKind::Flex(BackendTensor::Float(output))
        }
        DispatchAutodiffContext::Enabled(_) => {
            let inputs = operands.into_iter().map(Operand::into_node).collect::<Vec<_>>();
            let output = record(kernel, inputs.try_into().ok()?);
            let inner = DispatchTensorKind::Flex(BackendTensor::Autodiff(output));
            DispatchTensorKind::Autodiff(Box::new(inner))
        }
    };
    Some(Tensor::from_dispatch(DispatchTensor {
        kind,
        autodiff: context,
    }))
}

/// Runs a kernel where nothing is tracked, and lets `finish` change its output in place.
///
/// Gives nothing, and leaves the work to the caller, where an input is tracked or [`apply`] would give nothing.
pub(super) fn apply_and_finish<K: Kernel<N>, const N: usize, const D: usize>(
    kernel: K,
    inputs: [DispatchTensor; N],
    finish: impl FnOnce(&mut [f32]),
) -> Option<Tensor<D>> {
    let mut values = Vec::with_capacity(N);
    for (index, input) in inputs.into_iter().enumerate() {
        values.push(kernel.arrange(index, untracked(input)?));
    }
    let (mut output, _) = kernel.forward(values.try_into().ok()?);
    finish(output.storage_mut());
    Some(of_values(output))
}

/// The values of an f32 tensor of the CPU device that nothing tracks; nothing for any other.
pub(super) fn untracked(input: DispatchTensor) -> Option<FlexTensor> {
    match (input.autodiff, input.kind) {
        (DispatchAutodiffContext::Disabled, DispatchTensorKind::Flex(BackendTensor::Float(values))) => {
            (values.dtype() == DType::F32).then_some(values)
        }
        _ => None,
    }
}

/// A tensor that nothing tracks.
pub(super) fn of_values<const D: usize>(values: FlexTensor) -> Tensor<D> {
    Tensor::from_dispatch(DispatchTensor {
        kind: DispatchTensorKind::Flex(BackendTensor::Float(values)),
        autodiff: DispatchAutodiffContext::Disabled,
    })
}

type Node = FloatTensor<Autodiff<Flex>>;

enum Operand {
    Values(FlexTensor),
    Node(Node),
}

impl Operand {
    fn open(tensor: DispatchTensor) -> Option<Self> {
        let operand = match tensor.kind {
            DispatchTensorKind::Flex(BackendTensor::Float(values)) => Self::Values(values),
            DispatchTensorKind::Autodiff(inner) => match *inner {
                DispatchTensorKind::Flex(BackendTensor::Autodiff(node)) => Self::Node(node),
                _ => return None,
            },
            _ => return None,
        };
        let dtype = match &operand {
            Self::Values(values) => values.dtype(),
            Self::Node(node) => node.primitive().dtype(),
        };
        (dtype == DType::F32).then_some(operand)
    }

    fn into_values(self) -> FlexTensor {
        match self {
            Self::Values(values) => values,
            Self::Node(node) => node.into_primitive(),
        }
    }

    fn into_node(self) -> Node {
        match self {
            Self::Values(values) => Node::new(values),
            Self::Node(node) => node,
        }
    }
}

fn record<K: Kernel<N>, const N: usize>(kernel: K, inputs: [Node; N]) -> Node {
    let nodes = inputs.each_ref().map(Node::node);
    let wanted = inputs.each_ref().map(Node::is_tracked);
    let mut index = 0;
    let values = inputs.map(|input| {
        index += 1;
        kernel.arrange(index - 1, input.into_primitive())
    });
    let (output, saved) = kernel.forward(values);
    let saved = kernel.keep(saved, wanted);
    match Step(kernel)
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(saved, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[derive(Debug)]
struct Step<K>(K);

impl<K: Kernel<N>, const N: usize> Backward<Flex, N> for Step<K> {
    type State = K::Saved;

    fn backward(self, ops: Ops<K::Saved, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let computed = self.0.backward(ops.state, gradient, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(computed) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
