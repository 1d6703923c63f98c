use super::*;

#[test]
fn kohya_form_carries_an_adapter_bit_by_bit() {
    let device = Device::flex();
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let block = disturbed(method, &device);
        let saved = SavedAdapter::extract(&block).unwrap();
        let bytes = saved.to_kohya_bytes("unet");
        let names = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(
            names.tensor("lora_unet_attn1_to_out_0.alpha").unwrap().shape(),
            [0; 0]
        );
        assert!(names.tensor("lora_unet_attn1_to_q.lora_down.weight").is_ok());
        assert_eq!(
            names.tensor("lora_unet_attn1_to_q.dora_scale").is_ok(),
            method == AdapterMethod::Dora
        );
        assert_eq!(SavedAdapter::from_kohya_bytes(&bytes, &block).unwrap(), saved);
        let message = SavedAdapter::from_bytes(&bytes, "unet").unwrap_err().to_string();
        assert!(
            message.contains("kohya") || message.contains("dora_scale"),
            "{message}"
        );
    }
}

#[test]
fn kohya_files_without_an_exact_meaning_are_refused() {
    use super::layout::{Tensors, encode};
    let block = Block::new(&Device::flex());
    let (a, b, per_input, alpha) = ([0.5; 18], [0.5; 21], [1.0; 6], [2.0]);
    let refuse = |extra: &[(&str, Vec<usize>, &[f32])]| {
        let mut tensors = Tensors::new();
        tensors.insert(
            "lora_unet_attn1_to_q.lora_down.weight".to_owned(),
            (vec![3, 6], &a),
        );
        tensors.insert("lora_unet_attn1_to_q.lora_up.weight".to_owned(), (vec![7, 3], &b));
        assert_eq!(
            SavedAdapter::from_kohya_bytes(&encode(&tensors, &[]), &block)
                .unwrap()
                .alpha,
            3.0
        );
        for (name, shape, values) in extra {
            tensors.insert((*name).to_owned(), (shape.clone(), values));
        }
        let error = SavedAdapter::from_kohya_bytes(&encode(&tensors, &[]), &block).unwrap_err();
        error.to_string()
    };
    let columns = refuse(&[("lora_unet_attn1_to_q.dora_scale", vec![1, 6], &per_input)]);
    assert!(columns.contains("one entry per input"), "{columns}");
    let stray = refuse(&[("lora_unet_attn7_to_q.alpha", vec![], &alpha)]);
    assert!(stray.contains("attn7_to_q"), "{stray}");
    let lonely = refuse(&[("lora_unet_proj_in.alpha", vec![], &alpha)]);
    assert!(
        lonely.contains("proj_in") && lonely.contains("lora_down"),
        "{lonely}"
    );
    let other = refuse(&[("lora_te_q_proj.alpha", vec![], &alpha)]);
    assert!(other.contains("another component"), "{other}");
    let mixed = refuse(&[
        ("lora_unet_attn1_to_out_0.lora_down.weight", vec![3, 7], &b),
        ("lora_unet_attn1_to_out_0.lora_up.weight", vec![6, 3], &a),
        ("lora_unet_attn1_to_q.alpha", vec![], &alpha),
    ]);
    assert!(mixed.contains("differs in method, rank or scale"), "{mixed}");
}

/// `export_training.py check` has diffusers convert this file and compares the tensors.
#[test]
fn the_layout_of_kohya_files_does_not_change() {
    let bytes = std::fs::read(golden_path("diffusers_lora.safetensors")).unwrap();
    let mut saved = SavedAdapter::from_bytes(&bytes, "unet").unwrap();
    let block = "mid_block.attentions.0.transformer_blocks.0";
    saved.layers = saved
        .layers
        .into_iter()
        .map(|(name, layer)| (format!("{block}.{name}"), layer))
        .collect();
    let written = saved.to_kohya_bytes("unet");
    assert!(written == std::fs::read(golden_path("written_kohya.safetensors")).unwrap());
}
