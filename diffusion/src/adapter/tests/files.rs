use super::*;

#[test]
fn a_file_carries_an_adapter_bit_by_bit() {
    let device = Device::flex();
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let block = disturbed(method, &device);
        let saved = SavedAdapter::extract(&block).unwrap();
        let bytes = saved.to_bytes("unet");
        assert_eq!(bytes, saved.to_bytes("unet"));
        let read = SavedAdapter::from_bytes(&bytes, "unet").unwrap();
        assert_eq!(read, saved);
        let mut other = block.clone();
        detach(&mut other);
        read.attach(&mut other).unwrap();
        assert_eq!(
            host(other.forward(input(&device))),
            host(block.forward(input(&device)))
        );
    }
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let saved = SavedAdapter::extract(&disturbed(AdapterMethod::Dora, &device)).unwrap();
    let attach_changed = |change: &dyn Fn(&mut SavedAdapter)| {
        let mut changed = saved.clone();
        change(&mut changed);
        let mut block = Block::new(&device);
        let error = SavedAdapter::from_bytes(&changed.to_bytes("unet"), "unet")
            .and_then(|adapter| adapter.attach(&mut block))
            .unwrap_err();
        assert!(block.attn1.to_q.adapter.is_none());
        error.to_string()
    };
    let unknown = attach_changed(&|saved| {
        let layer = saved.layers["attn1.to_q"].clone();
        saved.layers.insert("attn9.to_q".to_owned(), layer);
    });
    assert!(unknown.contains("attn9.to_q"), "{unknown}");
    let wide = attach_changed(&|saved| {
        let layer = saved.layers.get_mut("attn1.to_q").unwrap();
        layer.inputs = 8;
        layer.lora_a = vec![0.5; 24];
    });
    assert!(wide.contains("[3, 6]") && wide.contains("[3, 8]"), "{wide}");
    let infinite = attach_changed(&|saved| {
        saved.layers.get_mut("attn1.to_q").unwrap().lora_b[3] = f32::INFINITY;
    });
    assert!(infinite.contains("not finite"), "{infinite}");
    let mixed = attach_changed(&|saved| {
        saved.layers.get_mut("attn1.to_q").unwrap().magnitude = None;
    });
    assert!(mixed.contains("differs in method"), "{mixed}");
    assert!(SavedAdapter::from_bytes(b"nonsense", "unet").is_err());
    assert!(matches!(
        SavedAdapter::from_bytes(&saved.to_bytes("unet"), "text_encoder"),
        Err(AdapterError::UnknownTensor { .. })
    ));
}

#[test]
fn files_of_peft_itself_need_their_config() {
    let device = Device::flex();
    let saved = SavedAdapter::extract(&disturbed(AdapterMethod::Dora, &device)).unwrap();
    let bytes = saved.to_bytes("base_model.model.unet");
    assert!(
        SavedAdapter::from_peft_bytes(&bytes, r#"{"lora_alpha": 9, "r": 3}"#, "unet")
            .unwrap()
            .alpha
            == 9.0
    );
    // Our own metadata does not use that prefix, so it has to be left out to look like PEFT's.
    let tensors: super::layout::Tensors<'_> = saved
        .layers
        .iter()
        .map(|(name, layer)| {
            let name = format!("base_model.model.{name}.lora_A.weight");
            (name, (vec![3, layer.inputs], layer.lora_a.as_slice()))
        })
        .collect();
    let message = SavedAdapter::from_bytes(&super::layout::encode(&tensors, &[]), "unet")
        .unwrap_err()
        .to_string();
    assert!(message.contains("adapter_config.json"), "{message}");
}
