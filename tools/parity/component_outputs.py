"""Compares what every part of a model folder gives in mitune and in diffusers and transformers.

Run: cargo run --release -p mitune-diffusion --example component_outputs -- DIR FILE [f32|f16|bf16] [SIDE]
     python tools/parity/component_outputs.py DIR FILE [f32|f16|bf16] [SIDE]

diffusers computes in f32, from weights rounded to the type. Parts are loaded one after the other.
"""

import gc
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "goldens"))
from seeded import inputs

PROMPT, SEED = "a red circle and a blue square", 50
TYPES = dict(f32=torch.float32, f16=torch.float16, bf16=torch.bfloat16)


def rounded(part, dtype):
    return part.to(dtype).to(torch.float32).eval()


def report(name, found, expected):
    found = found.double()
    expected = expected.double()
    assert found.shape == expected.shape, (name, found.shape, expected.shape)
    off = found - expected
    relative = (off.norm() / expected.norm()).item()
    print(f"{name}: shape {list(found.shape)}, relative L2 {relative:.2e}, largest {off.abs().max().item():.2e}")
    gc.collect()


@torch.no_grad()
def main():
    folder, found = Path(sys.argv[1]), load_file(sys.argv[2])
    dtype = TYPES[sys.argv[3] if len(sys.argv) > 3 else "f32"]
    side = int(sys.argv[4]) if len(sys.argv) > 4 else 64
    for index, suffix in enumerate(["", "_2"]):
        if not (folder / f"text_encoder{suffix}").exists():
            continue
        kind = CLIPTextModelWithProjection if index else CLIPTextModel
        encoder = rounded(kind.from_pretrained(folder, subfolder=f"text_encoder{suffix}"), dtype)
        tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder=f"tokenizer{suffix}")
        ids = tokenizer(PROMPT, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
        output = encoder(ids, output_hidden_states=True)
        report(f"text{index}.last", found[f"text{index}.last"], output.last_hidden_state)
        report(f"text{index}.penultimate", found[f"text{index}.penultimate"], output.hidden_states[-2])
        del encoder, output
    unet = rounded(UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.float32), dtype)
    config = unet.config
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", torch_dtype=torch.float32)
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    added = None
    if config.addition_embed_type:
        width = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        pixels = float(side * scale)
        sizes = torch.tensor([[pixels, pixels, 0.0, 0.0, pixels, pixels]])
        added = dict(text_embeds=inputs(SEED, "text_embeds", (1, width)), time_ids=sizes)
    latents = inputs(SEED, "latents", (1, config.in_channels, side, side))
    context = inputs(SEED, "context", (1, 77, config.cross_attention_dim))
    output = unet(latents, torch.tensor([500.5]), context, added_cond_kwargs=added).sample
    report("unet", found["unet"], output)
    del unet, output
    gc.collect()
    vae, small = rounded(vae, dtype), side // 2
    latents = inputs(SEED, "small latents", (1, vae.config.latent_channels, small, small))
    report("decoded", found["decoded"], vae.decode(latents).sample)
    image = inputs(SEED, "image", (1, vae.config.in_channels, small * scale, small * scale))
    report("mean", found["mean"], vae.encode(image).latent_dist.mean)


if __name__ == "__main__":
    main()
