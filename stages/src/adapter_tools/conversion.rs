use std::collections::BTreeMap;
use std::path::Path;

use mitune_diffusion::adapter::{AdapterError, SavedAdapter, UNET, encode_kohya, encode_peft};
use mitune_diffusion::nn::weights::Dtype as StoredDtype;

use super::new_path::{WriteError, check_free, write_folder};
use crate::adapters::adapter_file::AdapterFile;
use crate::adapters::adapter_place::{PEFT_FILE, PEFT_SETTINGS};
use crate::contract::{Dtype, StageError};
use crate::output_file::write_file;

/// The form an adapter is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvertedForm {
    /// What diffusers and PEFT read: one file, or PEFT's own folder if the path does not end in `.safetensors`.
    Peft,
    /// What kohya's scripts read: one file.
    Kohya,
}

/// Writes an adapter in another form or element type, and returns the type it was written in.
///
/// Without `dtype`, it is that of the file, or f32 if the file mixes several.
///
/// # Errors
/// [`StageError::Configuration`] if the file cannot be used or `out` is there already, [`StageError::Failed`] if the
/// result cannot be written.
pub fn convert(
    file: &AdapterFile,
    out: &Path,
    form: ConvertedForm,
    dtype: Option<Dtype>,
) -> Result<Dtype, StageError> {
    check_free(out)?;
    let contents = file.read().map_err(StageError::configuration)?;
    let own = || match contents.dtypes.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["F16"] => Dtype::F16,
        ["BF16"] => Dtype::Bf16,
        _ => Dtype::F32,
    };
    let dtype = dtype.unwrap_or_else(own);
    write(&contents.adapters, out, form, stored(dtype))?;
    Ok(dtype)
}

/// Writes adapters by component to a new file or folder.
pub(super) fn write(
    adapters: &BTreeMap<&str, SavedAdapter>,
    out: &Path,
    form: ConvertedForm,
    dtype: StoredDtype,
) -> Result<(), StageError> {
    let encoded = |bytes: Result<Vec<u8>, AdapterError>| bytes.map_err(StageError::configuration);
    let is_file = out
        .extension()
        .is_some_and(|extension| extension == "safetensors");
    let bytes = match form {
        ConvertedForm::Kohya => encoded(encode_kohya(adapters, dtype))?,
        ConvertedForm::Peft if is_file => encoded(encode_peft(adapters, dtype))?,
        ConvertedForm::Peft => {
            // A folder of PEFT's is about one component.
            let other = adapters.keys().find(|component| **component != UNET);
            let adapter = adapters.get(UNET).filter(|_| other.is_none()).ok_or_else(|| {
                StageError::configuration(AdapterError::OtherComponent {
                    component: other.copied().unwrap_or_default().to_owned(),
                    expected: UNET.to_owned(),
                })
            })?;
            let (bytes, settings) = adapter.to_peft_files(dtype).map_err(StageError::configuration)?;
            return write_folder(out, |draft| {
                for (name, bytes) in [
                    (PEFT_FILE, bytes.as_slice()),
                    (PEFT_SETTINGS, settings.as_bytes()),
                ] {
                    let path = draft.join(name);
                    std::fs::write(&path, bytes)
                        .map_err(|source| StageError::failed(WriteError { path, source }))?;
                }
                Ok(())
            });
        }
    };
    write_file(out, &bytes).map_err(StageError::failed)
}

fn stored(dtype: Dtype) -> StoredDtype {
    match dtype {
        Dtype::F32 => StoredDtype::F32,
        Dtype::F16 => StoredDtype::F16,
        Dtype::Bf16 => StoredDtype::BF16,
    }
}
