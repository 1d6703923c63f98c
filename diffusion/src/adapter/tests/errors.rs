//! Files that are no adapters of the model: what is wrong is named.

use super::*;

#[test]
fn adapters_that_do_not_fit_the_model_leave_it_unchanged() {
    let device = Device::flex();
    let saved = SavedAdapter::extract(&disturbed(AdapterMethod::Dora, &device)).unwrap();
    let attach_changed = |change: &dyn Fn(&mut SavedAdapter)| {
        let mut changed = saved.clone();
        change(&mut changed);
        let mut block = Block::new(&device);
        let error = SavedAdapter::from_bytes(&changed.to_bytes("unet", Dtype::F32).unwrap(), "unet")
            .and_then(|adapter| adapter.attach(&mut block))
            .unwrap_err();
        assert!(block.attn1.to_q.adapter.is_none());
        error.to_string()
    };
    let unknown = attach_changed(&|saved| {
        let layer = saved.layers["attn1.to_q"].clone();
        saved.layers.insert("attn9.to_q".to_owned(), layer);
    });
    assert!(unknown.contains("`attn9.to_q`"), "{unknown}");
    let wide = attach_changed(&|saved| {
        let layer = saved.layers.get_mut("attn1.to_q").unwrap();
        layer.shape.inputs = 8;
        layer.lora_a = vec![0.5; 24];
    });
    assert!(wide.contains("[3, 6]") && wide.contains("[3, 8]"), "{wide}");
    let long = attach_changed(&|saved| {
        let layer = saved.layers.get_mut("attn1.to_q").unwrap();
        layer.shape.outputs = 2;
        layer.lora_b = vec![0.5; 6];
        layer.magnitude = Some(vec![0.5; 2]);
    });
    assert!(long.contains("[7, 3]") && long.contains("[2, 3]"), "{long}");
    let kernel = attach_changed(&|saved| {
        let layer = saved.layers.get_mut("attn1.to_q").unwrap();
        layer.shape.kernel = Some([3, 3]);
        layer.lora_a = vec![0.5; 3 * 6 * 9];
    });
    assert!(kernel.contains("[3, 6, 3, 3]"), "{kernel}");
    let mut block = disturbed(AdapterMethod::Lora, &device);
    let twice = saved.attach(&mut block).unwrap_err().to_string();
    assert!(twice.contains("already has an adapter"), "{twice}");
}

/// What reading says after one tensor of a good file was changed or added.
fn refused(change: impl Fn(&mut TensorMap)) -> String {
    let saved = varied(AdapterMethod::Dora);
    let (mut tensors, metadata) = saved.to_tensors("unet");
    change(&mut tensors);
    let bytes = layout::encode(&tensors, &metadata);
    SavedAdapter::from_bytes(&bytes, "unet").unwrap_err().to_string()
}

const QUERY: &str = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";

#[test]
fn tensors_that_are_wrong_are_named() {
    let name = |part: &str| format!("{QUERY}.{part}");
    let zeros = |shape: &[usize]| HostTensor::from_f32(&vec![0.5; shape.iter().product()], shape.to_vec());
    for (part, tensor, words) in [
        ("lora_A.weight", zeros(&[0, 4]), "rank 0"),
        ("lora_A.weight", zeros(&[2, 0]), "[2, 0]"),
        ("lora_A.weight", zeros(&[8]), "[8]"),
        ("lora_A.weight", zeros(&[3, 4]), "rank 3, expected 2"),
        ("lora_B.weight", zeros(&[5, 3]), "[5, 3], expected [5, 2]"),
        ("lora_B.weight", zeros(&[10]), "[10]"),
        ("lora_magnitude_vector", zeros(&[4]), "[4], expected [5]"),
        ("lora_magnitude_vector", zeros(&[1, 5]), "[1, 5], expected [5]"),
        ("alpha", zeros(&[2]), "`alpha`"),
        ("hada_w1_a", zeros(&[2]), "LoHa"),
        ("surprise", zeros(&[2]), "surprise"),
        ("lora_A.other.weight", zeros(&[2, 4]), "under another name too"),
    ] {
        let message = refused(|tensors| {
            tensors.insert(name(part), tensor.clone());
        });
        // A rank that differs shows at B first, which then does not fit A.
        let fits = message.contains(words) || (words.contains("rank 3") && message.contains("lora_B"));
        assert!(fits, "{part}: {message}");
        assert!(message.contains("to_q"), "{message}");
    }
    for part in ["lora_A.weight", "lora_B.weight"] {
        let message = refused(|tensors| {
            tensors.remove(&name(part));
        });
        assert!(
            message.contains("lacks") && message.contains(&part[..6]),
            "{message}"
        );
    }
    let mixed = refused(|tensors| {
        tensors.remove(&name("lora_magnitude_vector"));
    });
    assert!(mixed.contains("differs in method"), "{mixed}");
    for value in [f32::NAN, f32::INFINITY] {
        let message = refused(|tensors| {
            let tensor = HostTensor::from_f32(&[0.5, 0.5, 0.5, 0.5, value], vec![5]);
            tensors.insert(name("lora_magnitude_vector"), tensor);
        });
        assert!(
            message.contains("is not finite") && message.contains("magnitude"),
            "{message}"
        );
    }
    let integers = refused(|tensors| {
        tensors.get_mut(&name("lora_magnitude_vector")).unwrap().dtype = Dtype::I32;
    });
    assert!(integers.contains("cannot be read as f32"), "{integers}");
}

#[test]
fn files_that_are_no_adapters_are_refused() {
    let saved = varied(AdapterMethod::Lora);
    let bytes = saved.to_bytes("unet", Dtype::F32).unwrap();
    for damaged in [&b"nonsense"[..], &[], &bytes[..bytes.len() - 1], &bytes[..40]] {
        let message = SavedAdapter::from_bytes(damaged, "unet").unwrap_err().to_string();
        assert_eq!(message, "Not a safetensors file");
    }
    assert!(matches!(
        SavedAdapter::from_bytes(&bytes, "text_encoder"),
        Err(AdapterError::OtherComponent { .. })
    ));
    let empty = layout::encode(&TensorMap::new(), &Default::default());
    let message = SavedAdapter::from_bytes(&empty, "unet").unwrap_err().to_string();
    assert_eq!(message, "There is no adapted layer");
}
