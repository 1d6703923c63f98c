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
        ("dora_scale", zeros(&[1, 5]), "one entry per input"),
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
    let complex = refused(|tensors| {
        let tensor = tensors.get_mut(&name("lora_magnitude_vector")).unwrap();
        tensor.dtype = Dtype::C64;
        tensor.data.extend(tensor.data.clone());
    });
    assert!(complex.contains("cannot be read as f32"), "{complex}");
}

#[test]
fn files_that_are_no_adapters_are_refused() {
    let saved = varied(AdapterMethod::Lora);
    let bytes = saved.to_bytes("unet", Dtype::F32).unwrap();
    for (damaged, words) in [
        (&b"nonsense"[..], "`memory` is plain text"),
        (b"\xff\xfd nonsense", "Header of `memory` claims"),
        (&[], "is empty"),
        (&bytes[..bytes.len() - 1], "Truncated"),
        (&bytes[..40], "Truncated"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"PK\x03\x04abcdefgh", "pickle"),
    ] {
        let message = SavedAdapter::from_bytes(damaged, "unet").unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    assert!(matches!(
        SavedAdapter::from_bytes(&bytes, "text_encoder"),
        Err(AdapterError::OtherComponent { .. })
    ));
    let empty = layout::encode(&TensorMap::new(), &Default::default());
    let message = SavedAdapter::from_bytes(&empty, "unet").unwrap_err().to_string();
    assert_eq!(message, "There is no adapted layer");
}

/// Alphas are numbers of any type: PyTorch's `torch.tensor(4)` is i64.
#[test]
fn element_types_of_every_kind_are_read() {
    let saved = varied(AdapterMethod::Lora);
    let (tensors, metadata) = saved.to_tensors("unet");
    let with = |change: &dyn Fn(&mut TensorMap)| {
        let mut tensors = tensors.clone();
        change(&mut tensors);
        let bytes = layout::encode(&tensors, &metadata);
        SavedAdapter::from_bytes(&bytes, "unet").unwrap()
    };
    for (dtype, data) in [
        (Dtype::I64, 3_i64.to_le_bytes().to_vec()),
        (Dtype::I32, 3_i32.to_le_bytes().to_vec()),
        (Dtype::U8, vec![3]),
        (Dtype::F64, 3_f64.to_le_bytes().to_vec()),
        (Dtype::F8_E4M3, vec![0x44]),
        (Dtype::F8_E5M2, vec![0x42]),
    ] {
        let (shape, data) = (Vec::new(), data.clone());
        let alpha = HostTensor { dtype, shape, data };
        let read = with(&|tensors| {
            tensors.insert(format!("{QUERY}.alpha"), alpha.clone());
        });
        assert_eq!(read.layers[&QUERY[5..]].alpha, 3.0, "{dtype:?}");
    }
    let tenth = HostTensor {
        dtype: Dtype::F64,
        shape: Vec::new(),
        data: 0.1_f64.to_le_bytes().to_vec(),
    };
    let read = with(&|tensors| {
        tensors.insert(format!("{QUERY}.alpha"), tenth.clone());
    });
    assert_eq!(read.layers[&QUERY[5..]].alpha, 0.1);
    let read = with(&|tensors| {
        let tensor = tensors.get_mut(&format!("{QUERY}.lora_A.weight")).unwrap();
        tensor.dtype = Dtype::F8_E4M3;
        tensor.data = vec![0x38; tensor.data.len() / 4];
    });
    assert!(read.layers[&QUERY[5..]].lora_a.iter().all(|value| *value == 1.0));
}
