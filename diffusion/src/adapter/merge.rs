use burn::tensor::Tensor;

use super::SavedLayer;

/// Folds adapters of one layer into its weight one after the other, each at a factor of its scale.
///
/// As PEFT merges several: a DoRA adapter multiplies all that was folded in before it, and takes
/// the lengths of its rows over the original weight. LoRA adapters simply add up.
///
/// # Shapes
/// - rows and output: `[outputs, columns]`, output in f32
pub fn merge_into_rows(rows: &Tensor<2>, adapters: &[(&SavedLayer, f64)]) -> Tensor<2> {
    let device = rows.device();
    adapters.iter().fold(rows.clone(), |merged, (layer, factor)| {
        let mut adapter = layer.on(&device);
        adapter.scale *= factor;
        adapter.merge_onto(merged, rows)
    })
}
