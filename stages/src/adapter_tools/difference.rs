use mitune_diffusion::adapter::{AdapterDifference, compare};

use crate::adapters::adapter_file::{AdapterFile, AdapterFileError};
use crate::contract::StageError;

/// Compares two adapter files, layers of text encoders included, each at its own scale times that of its argument.
///
/// # Errors
/// [`StageError::Configuration`] if a file cannot be used or a layer has another shape in the second.
pub fn difference(first: &AdapterFile, second: &AdapterFile) -> Result<AdapterDifference, StageError> {
    let read = |file: &AdapterFile| {
        let joined = file.read().and_then(|contents| {
            contents.joined().map_err(|source| AdapterFileError::Adapter {
                path: file.path.clone(),
                source,
            })
        });
        let mut adapter = joined.map_err(StageError::configuration)?;
        for layer in adapter.layers.values_mut() {
            layer.alpha *= file.scale;
        }
        Ok::<_, StageError>(adapter)
    };
    compare(&read(first)?, &read(second)?).map_err(|source| {
        StageError::configuration(AdapterFileError::Adapter {
            path: second.path.clone(),
            source,
        })
    })
}
