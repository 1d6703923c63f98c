"""Writes tiny random CLIP text models of transformers with token ids and every output.

Run: python tools/goldens/export_clip.py diffusion/tests/golden/clip
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

SIZE = dict(
    vocab_size=40,
    hidden_size=24,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=3,
    max_position_embeddings=11,
    bos_token_id=38,
    projection_dim=10,
)
CASES = {
    "quick_gelu": (CLIPTextModel, dict(hidden_act="quick_gelu", eos_token_id=39, pad_token_id=39)),
    "gelu": (CLIPTextModel, dict(hidden_act="gelu", eos_token_id=39, pad_token_id=0)),
    "legacy_end": (CLIPTextModel, dict(hidden_act="quick_gelu", eos_token_id=2, pad_token_id=1)),
    "projection": (CLIPTextModelWithProjection, dict(hidden_act="gelu", eos_token_id=37, pad_token_id=0)),
}


@torch.no_grad()
def main():
    out = Path(sys.argv[1])
    for index, (name, (kind, config)) in enumerate(CASES.items()):
        generator = torch.Generator().manual_seed(200 + index)
        model = kind(CLIPTextConfig(**SIZE, **config)).eval()
        for parameter in model.parameters():
            fan_in = parameter.shape[-1] if parameter.dim() > 1 else 2
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5 * 1.5)
        model.save_pretrained(out / name)
        ids = torch.randint(3, 37, (4, 11), generator=generator)
        end = 37 if name == "projection" else 39
        ids[:, 0] = 38 if end > 38 else 36
        for row, length in enumerate([2, 5, 8, 11]):
            ids[row, length - 1] = end
            ids[row, length:] = end if config["pad_token_id"] == 39 else config["pad_token_id"]
        output = model(ids, output_hidden_states=True)
        pooled = output.text_embeds if name == "projection" else output.pooler_output
        golden = dict(
            ids=ids,
            last_hidden_state=output.last_hidden_state,
            penultimate=output.hidden_states[-2],
            pooled=pooled,
        )
        save_file({key: value.contiguous() for key, value in golden.items()}, out / name / "golden.safetensors")
        if name == "gelu":
            published_names(out / name)


def published_names(folder):
    """Files as published: a prefix before every name, and the position ids beside the weights."""
    path = folder / "model.safetensors"
    tensors = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in load_file(path).items()}
    tensors["text_model.embeddings.position_ids"] = torch.arange(11)[None]
    save_file(tensors, path, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
