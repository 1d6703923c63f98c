//! `mitune adapter merge`

use mitune_stages::adapter_tools::{MeanKind, mean, merge_into_model};
use serde_json::json;

use super::{Mean, MergeArguments};
use crate::failure::Failure;
use crate::ui::{line, print_json};

pub(super) fn run(arguments: &MergeArguments, json: bool) -> Result<(), Failure> {
    let MergeArguments {
        files, model, out, ..
    } = arguments;
    let count = files.len();
    let adapters = if count == 1 { "adapter" } else { "adapters" };
    match (arguments.mean, model) {
        (Some(kind), model) => {
            let kind = match kind {
                Mean::Weights => MeanKind::Weights,
                Mean::Factors => MeanKind::Factors,
            };
            let adapter = mean(files, kind, model.as_deref(), out)?;
            let layers = adapter.layers.len();
            if json {
                let rank = adapter.layers.values().map(|layer| layer.rank).max();
                return print_json(&json!({"adapter": out, "layers": layers, "largest_rank": rank}));
            }
            line(format!(
                "Wrote the mean of {count} {adapters} into `{}`, {layers} layers",
                out.display()
            ))
        }
        (None, model) => {
            let model = model.clone().unwrap_or_default();
            let merged = merge_into_model(&model, files, out)?;
            if json {
                let (layers, tensors) = (merged.layers, merged.tensors);
                return print_json(&json!({"model": out, "layers": layers, "tensors": tensors}));
            }
            line(format!(
                "Folded {count} {adapters} into {} layers of `{}`",
                merged.layers,
                out.display()
            ))
        }
    }
}
