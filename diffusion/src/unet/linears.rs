//! Walking over the linear layers of a model by their diffusers names.

use crate::linear::Linear;

/// A part of a model that can show each of its linear layers to a visitor.
///
/// Adapters attach to layers chosen by name, and the names are those of diffusers' files without
/// `.weight`, whatever the fields here are called.
pub trait VisitLinears {
    /// Calls `visit` with the full name of each linear layer below `path`.
    fn visit_linears(&mut self, path: &str, visit: &mut dyn FnMut(&str, &mut Linear));
}

impl<T: VisitLinears> VisitLinears for Vec<T> {
    fn visit_linears(&mut self, path: &str, visit: &mut dyn FnMut(&str, &mut Linear)) {
        for (index, part) in self.iter_mut().enumerate() {
            part.visit_linears(&format!("{path}.{index}"), visit);
        }
    }
}

impl<T: VisitLinears> VisitLinears for Option<T> {
    fn visit_linears(&mut self, path: &str, visit: &mut dyn FnMut(&str, &mut Linear)) {
        if let Some(part) = self {
            part.visit_linears(path, visit);
        }
    }
}

impl VisitLinears for Linear {
    fn visit_linears(&mut self, path: &str, visit: &mut dyn FnMut(&str, &mut Linear)) {
        visit(path, self);
    }
}
