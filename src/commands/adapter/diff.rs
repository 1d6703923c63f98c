//! `mitune adapter diff`

use mitune_stages::adapter_tools::{LayerDifference, difference};
use mitune_stages::adapters::adapter_file::AdapterFile;

use crate::failure::Failure;
use crate::ui::{Table, line, print_json};

pub(super) fn run(first: &AdapterFile, second: &AdapterFile, json: bool) -> Result<(), Failure> {
    let found = difference(first, second)?;
    if json {
        return print_json(&found);
    }
    let mut table = Table::with_headings(["LAYER", "NORM", "OTHER NORM", "DISTANCE", "COSINE", "MAGNITUDE"]);
    for (name, layer) in &found.shared {
        table.row(cells(name, layer));
    }
    table.row(cells("all layers", &found.total));
    table.print()?;
    for (which, layers) in [("first", &found.only_first), ("second", &found.only_second)] {
        for layer in layers {
            line(format!("only the {which} changes {layer}"))?;
        }
    }
    Ok(())
}

fn cells(name: &str, layer: &LayerDifference) -> [String; 6] {
    let number = |value: Option<f64>| match value {
        Some(value) if value.is_finite() => format!("{value:.6}"),
        _ => "-".to_owned(),
    };
    [
        name.to_owned(),
        number(Some(layer.first_norm)),
        number(Some(layer.second_norm)),
        number(Some(layer.relative_distance)),
        number(layer.cosine),
        number(layer.magnitude_distance),
    ]
}
