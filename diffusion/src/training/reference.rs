//! What a trained network is compared with.

use burn::module::Module;

use super::parameters::train_only;
use crate::adapter::detach;
use crate::nn::layers::AdaptTarget;

/// What an objective compares the trained network with, made once from the network as it starts.
///
/// An objective asks for it by its type, so that none can be without the reference it needs, and a training without
/// reference makes none.
pub trait Reference<M> {
    /// Makes it from the network that is going to be trained.
    fn of(network: &M) -> Self;
}

impl<M> Reference<M> for () {
    fn of(_: &M) {}
}

/// The network without its adapters and without gradient: what it was before fine-tuning.
///
/// Where weights themselves are trained it keeps those of the start: an update writes to memory that nobody else holds,
/// so that each tensor is copied by its first update.
///
/// A second value rather than a scale given to every forward pass: a clone shares the tensors of the frozen weights, so
/// that it costs no memory; layers without adapter run the same kernel as in a network that never had one, so that
/// not a bit differs and no product with zero is computed; and no layer between has to hand a number through. Scale 0
/// would be the wrong reference for DoRA besides, whose trained magnitudes stay.
#[derive(Debug)]
pub struct FrozenReference<M>(M);

impl<M> FrozenReference<M> {
    /// The network; its outputs carry no gradient unless what it is given does.
    pub fn network(&self) -> &M {
        &self.0
    }
}

impl<M: Module + AdaptTarget> Reference<M> for FrozenReference<M> {
    fn of(network: &M) -> Self {
        let mut network = network.clone();
        detach(&mut network);
        Self(train_only(network, |_| false))
    }
}
