/// What a tensor that is no part of a LoRA or DoRA adapter is likely to be.
pub(super) fn foreign(name: &str) -> Option<&'static str> {
    let kinds = [
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
    ];
    let found = kinds.iter().find(|(word, _)| name.contains(word));
    found.map(|(_, reason)| *reason)
}
