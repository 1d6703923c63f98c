//! `mitune adapter info`

use std::path::PathBuf;

use mitune_stages::adapter_tools::{AdapterDescription, AdapterMethod, describe};
use mitune_stages::adapters::adapter_file::AdapterFile;

use crate::failure::Failure;
use crate::ui::{line, print_json};

pub(super) fn run(path: PathBuf, json: bool) -> Result<(), Failure> {
    let description = describe(&AdapterFile { path, scale: 1.0 })?;
    if json {
        return print_json(&description);
    }
    lines(&description)
        .iter()
        .try_for_each(|(name, value)| line(format!("{name:<9}{value}")))
}

fn lines(adapter: &AdapterDescription) -> Vec<(&'static str, String)> {
    let words = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>().join(", ");
    let kernels = adapter
        .layers
        .values()
        .filter(|layer| layer.kernel.is_some())
        .count();
    let layers = match kernels {
        0 => adapter.layers.len().to_string(),
        kernels => format!("{}, {kernels} of them convolutions", adapter.layers.len()),
    };
    vec![
        ("form", adapter.form.to_string()),
        ("changes", adapter.components.join(", ")),
        (
            "method",
            words(&mut adapter.methods.iter().map(|method| word(*method))),
        ),
        ("rank", words(&mut adapter.ranks.iter().map(ToString::to_string))),
        (
            "alpha",
            words(&mut adapter.alphas.iter().map(ToString::to_string)),
        ),
        ("targets", words(&mut adapter.targets.iter().cloned())),
        ("layers", layers),
        ("numbers", adapter.numbers.to_string()),
        (
            "dtype",
            words(&mut adapter.dtypes.iter().map(|dtype| dtype.to_lowercase())),
        ),
        ("norm", format!("{:.6}", adapter.norm)),
        ("metadata", words(&mut adapter.metadata.keys().cloned())),
    ]
}

fn word(method: AdapterMethod) -> String {
    match method {
        AdapterMethod::Lora => "lora".to_owned(),
        AdapterMethod::Dora => "dora".to_owned(),
    }
}
