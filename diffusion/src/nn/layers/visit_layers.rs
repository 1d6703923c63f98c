//! Walking over the adaptable layers of a model by their diffusers names.

use super::adaptable_layer::AdaptableLayer;
use super::conv2d::Conv2d;
use super::linear::Linear;

/// A model whose linear layers and convolutions can be adapted.
pub trait AdaptTarget {
    /// Shows every adaptable layer to `visit` under its diffusers name.
    fn layers_mut(&mut self, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>));
}

/// A part of a model that can show each of its linear layers and convolutions to a visitor.
///
/// Adapters attach to layers chosen by name, and the names are those of diffusers' files without
/// `.weight`, whatever the fields here are called.
pub trait VisitLayers {
    /// Calls `visit` with the full name of each layer below `path`.
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>));
}

impl<T: VisitLayers> VisitLayers for Vec<T> {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        for (index, part) in self.iter_mut().enumerate() {
            part.visit_layers(&format!("{path}.{index}"), visit);
        }
    }
}

impl<T: VisitLayers> VisitLayers for Option<T> {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        if let Some(part) = self {
            part.visit_layers(path, visit);
        }
    }
}

impl VisitLayers for Linear {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        visit(path, AdaptableLayer::Linear(self));
    }
}

impl VisitLayers for Conv2d {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        visit(path, AdaptableLayer::Conv2d(self));
    }
}
