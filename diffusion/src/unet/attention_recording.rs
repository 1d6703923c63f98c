//! Keeping the attention maps that are wanted while the network is evaluated.
//!
//! A layer knows neither its name nor who looks at it. The network opens a recording for each level, blocks hand
//! on a part of it under the names of their lists, and the block around the layer asks whether its map is wanted.

use std::fmt::Arguments;

use burn::tensor::Tensor;

use crate::denoiser::{AttentionKind, AttentionMap, AttentionPlace, AttentionRequest};
use crate::nn::layers::{Attention, AttentionContext};

/// Collects the wanted maps of one evaluation.
#[derive(Debug)]
pub struct AttentionRecorder<'a> {
    request: Option<&'a AttentionRequest>,
    maps: Vec<AttentionMap>,
}

/// The part of an [`AttentionRecorder`] for one part of the network; outside of one, it records nothing.
#[derive(Debug)]
pub struct AttentionRecording<'a> {
    target: Option<Target<'a>>,
}

#[derive(Debug)]
struct Target<'a> {
    request: &'a AttentionRequest,
    maps: &'a mut Vec<AttentionMap>,
    path: String,
    place: AttentionPlace,
    size: [usize; 2],
}

impl<'a> AttentionRecorder<'a> {
    /// Starts with no map; without a request none is added.
    pub fn new(request: Option<&'a AttentionRequest>) -> Self {
        Self {
            request,
            maps: Vec::new(),
        }
    }

    /// Opens a level of the network, whose transformers all see images of the size of the level's input.
    ///
    /// # Shapes
    /// - input: `[batch, height, width, channels]`
    pub fn level(
        &mut self,
        place: AttentionPlace,
        name: Arguments<'_>,
        input: &Tensor<4>,
    ) -> AttentionRecording<'_> {
        let Some(request) = self.request else {
            return AttentionRecording::off();
        };
        let [_, height, width, _] = input.dims();
        AttentionRecording {
            target: Some(Target {
                request,
                maps: &mut self.maps,
                path: name.to_string(),
                place,
                size: [height, width],
            }),
        }
    }

    /// The maps, in the order in which their layers were evaluated.
    pub fn into_maps(self) -> Vec<AttentionMap> {
        self.maps
    }
}

impl AttentionRecording<'_> {
    /// Records nothing.
    pub fn off() -> Self {
        Self { target: None }
    }

    /// Hands on the recording to a part of what it is for.
    pub fn inside(&mut self, part: Arguments<'_>) -> AttentionRecording<'_> {
        let Some(target) = &mut self.target else {
            return AttentionRecording::off();
        };
        AttentionRecording {
            target: Some(Target {
                request: target.request,
                maps: &mut *target.maps,
                path: format!("{}.{part}", target.path),
                place: target.place,
                size: target.size,
            }),
        }
    }

    /// Evaluates a layer, and keeps its map if it is wanted.
    pub(super) fn attend(
        &mut self,
        layer: &Attention,
        name: &str,
        kind: AttentionKind,
        x: Tensor<3>,
        context: AttentionContext,
    ) -> Tensor<3> {
        let wanted = self.target.as_mut();
        let Some(target) = wanted.filter(|target| target.request.wants(kind, target.size)) else {
            return layer.forward_recorded(x, context, None);
        };
        let mut keep = |probabilities: Tensor<4>| target.keep(name, kind, probabilities);
        layer.forward_recorded(x, context, Some(&mut keep))
    }
}

impl Target<'_> {
    fn keep(&mut self, name: &str, kind: AttentionKind, probabilities: Tensor<4>) {
        let map = AttentionMap {
            layer: format!("{}.{name}", self.path),
            kind,
            place: self.place,
            size: self.size,
            probabilities,
        };
        self.maps.push(self.request.hand_out(map));
    }
}
