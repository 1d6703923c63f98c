const WHOLE: &str = "it belongs to a whole model in a single file";
const EMBEDDING: &str = "it is an embedding of textual inversion, which is no adapter";

/// What a tensor that is no part of a LoRA or DoRA adapter is likely to be.
pub(super) fn foreign(name: &str) -> Option<&'static str> {
    let kinds = [
        ("model.diffusion_model.", WHOLE),
        ("first_stage_model.", WHOLE),
        ("cond_stage_model.", WHOLE),
        ("conditioner.embedders.", WHOLE),
        ("hada_", "it belongs to a LoHa adapter"),
        ("lokr_", "it belongs to a LoKr adapter"),
        ("oft_", "it belongs to an OFT adapter"),
        ("boft_", "it belongs to a BOFT adapter"),
        (
            "lora_mid",
            "it belongs to a LoCon adapter with a core tensor, which has three factors",
        ),
        (
            "lora_embedding_",
            "it adapts an embedding, which the denoiser has none of",
        ),
        (
            "lora_B.bias",
            "a bias that is trained along changes the layer beyond the low-rank product",
        ),
        (".base_layer.", "it is a weight of the model itself"),
        (".diff", "it is a full difference of weights and no low-rank one"),
        ("lora_unet_", "it is in kohya form"),
        ("lora_te", "it is in kohya form"),
        ("controlnet_", "it belongs to a ControlNet"),
        ("ip_adapter.", "it belongs to an IP-Adapter"),
        ("image_proj.", "it belongs to an IP-Adapter"),
        ("emb_params", EMBEDDING),
        ("string_to_param", EMBEDDING),
        ("clip_l", EMBEDDING),
        ("clip_g", EMBEDDING),
    ];
    let found = kinds.iter().find(|(word, _)| name.contains(word));
    let ends = [".weight", ".bias"].iter().any(|end| name.ends_with(end));
    found
        .map(|(_, reason)| *reason)
        .or_else(|| ends.then_some("it seems to be a weight of a model itself"))
}
