"""Writes golden files of random adapters: PEFT's outputs and merged weights, by layer and by whole denoiser.

Run: python tools/goldens/export_adapter_layers.py diffusion/tests/golden/models diffusion/tests/golden/adapter_layers

Weights, factors and inputs are those of `seeded.py`, so files hold configurations and results only.
"""

import json
import random
import sys
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import save_file
from torch import nn

from seeded import inputs, values

LAYERS = 72
DENOISERS = 24
SUFFIXES = [
    "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out", "conv1", "conv2",
    "conv_shortcut", "time_emb_proj", "downsamplers.0.conv", "upsamplers.0.conv", "conv_in", "conv_out",
    "time_embedding.linear_1", "attn2.to_k",
]  # fmt: skip


def fill_adapter(model: nn.Module, seed: int) -> None:
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            name = name.replace(".default", "")
            shape = tuple(parameter.shape)
            # Magnitudes of convolutions have the shape [1, outputs, 1, 1].
            drawn = values(seed, name, (parameter.numel(),) if "magnitude" in name else shape).reshape(shape)
            parameter.data.copy_(drawn * 0.25 if "lora_B" in name else drawn)


def layer(seed: int):
    draw = random.Random(seed)
    config = dict(
        kind=draw.choice(["linear", "conv1", "conv3", "down"]),
        inputs=draw.randint(1, 8),
        outputs=draw.randint(1, 8),
        bias=draw.random() < 0.5,
        rank=draw.randint(1, 6),
        alpha=draw.choice([0.5, 1.0, 2.0, 4.5, 16.0]),
        dora=draw.random() < 0.5,
        scale=draw.choice([1.0, 0.5, 0.0, -1.5]),
        seed=seed,
    )
    block = nn.Module()
    sizes = (config["inputs"], config["outputs"])
    if config["kind"] == "linear":
        block.to_q = nn.Linear(*sizes, bias=config["bias"])
        x = inputs(seed, "x", (3, sizes[0]))
    else:
        # Convolutions of the denoiser always have a bias.
        config["bias"] = True
        kernel, stride = {"conv1": (1, 1), "conv3": (3, 1), "down": (3, 2)}[config["kind"]]
        block.to_q = nn.Conv2d(*sizes, kernel, stride, padding=kernel // 2)
        x = inputs(seed, "x", (2, sizes[0], 4, 6))
    for name, parameter in block.named_parameters():
        parameter.data.copy_(values(seed, name, tuple(parameter.shape)))
    peft = LoraConfig(r=config["rank"], lora_alpha=config["alpha"], target_modules=["to_q"], use_dora=config["dora"])
    inject_adapter_in_model(peft, block)
    fill_adapter(block, seed)
    block.to_q.set_scale("default", config["scale"])
    output = block.to_q(x)
    block.to_q.merge()
    return config, {f"{seed}.output": output, f"{seed}.merged": block.to_q.base_layer.weight.flatten(1)}


def denoiser(models: Path, seed: int):
    draw = random.Random(1000 + seed)
    config = dict(
        model=draw.choice(["sd15", "sd21", "sdxl"]),
        targets=sorted(draw.sample(SUFFIXES, draw.randint(1, 6))),
        rank=draw.randint(1, 4),
        alpha=draw.choice([1.0, 2.0, 3.5]),
        dora=draw.random() < 0.5,
        scale=draw.choice([1.0, 0.5, 2.0]),
        seed=seed,
    )
    unet = UNet2DConditionModel.from_pretrained(models / config["model"] / "unet")
    # One layer in three has a rank of its own, and one in four an alpha.
    ranks, alphas = {}, {}
    for name, module in sorted(unet.named_modules()):
        selected = any(name == end or name.endswith("." + end) for end in config["targets"])
        if selected and isinstance(module, (nn.Linear, nn.Conv2d)):
            if draw.random() < 1 / 3:
                ranks[name] = draw.randint(1, 5)
            if draw.random() < 1 / 4:
                alphas[name] = draw.choice([0.5, 4.0])
    config |= dict(ranks=ranks, alphas=alphas)
    unet.add_adapter(
        LoraConfig(
            r=config["rank"],
            lora_alpha=config["alpha"],
            target_modules=config["targets"],
            use_dora=config["dora"],
            rank_pattern={f"^{name}": rank for name, rank in ranks.items()},
            alpha_pattern={f"^{name}": alpha for name, alpha in alphas.items()},
        )
    )
    fill_adapter(unet, seed)
    unet.set_adapters(["default"], [config["scale"]])
    added = None
    if config["model"] == "sdxl":
        time_ids = torch.tensor([[16.0, 16.0, 0.0, 0.0, 16.0, 16.0]])
        added = dict(text_embeds=inputs(seed, "pooled", (1, 20)), time_ids=time_ids)
    sample = inputs(seed, "sample", (1, 4, 8, 8))
    context = inputs(seed, "context", (1, 7, unet.config.cross_attention_dim))
    run = lambda: unet(sample, torch.tensor([321]), context, added_cond_kwargs=added).sample  # noqa: E731
    return config, {f"{seed}.output": run()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    models, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        for name, cases in [
            ("layers", [layer(seed) for seed in range(LAYERS)]),
            ("denoisers", [denoiser(models, seed) for seed in range(DENOISERS)]),
        ]:
            configs = [config for config, _ in cases]
            tensors = {key: value.contiguous() for _, found in cases for key, value in found.items()}
            save_file(tensors, out / f"{name}.safetensors")
            (out / f"{name}.json").write_text(json.dumps(configs, indent=1) + "\n")
