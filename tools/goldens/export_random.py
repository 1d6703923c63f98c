"""Writes what diffusers and transformers compute for random configurations of every network.

Run: OMP_NUM_THREADS=1 python tools/goldens/export_random.py diffusion/tests/golden/random [count]

One JSON file per network lists the configurations with their seeds; weights and inputs follow from the seed
(`seeded.py`), so only outputs are stored, computed in f64 from weights in f32. Case `n` is drawn from a generator of
its own: a longer list begins with the shorter one.
"""

import json
import random
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from seeded import fill, fill_text, inputs


def draw_unet(r: random.Random) -> dict:
    """A configuration as those of Stable Diffusion 1, 2 or XL, every field of which may be off its default."""
    family = r.choice(["sd1", "sd2", "sdxl"])
    levels = r.randint(1, 4)
    groups = r.choice([1, 2, 4])
    widths = [r.choice([4, 8, 12]) for _ in range(levels)]
    down = [r.choice(["DownBlock2D", "CrossAttnDownBlock2D"]) for _ in widths]
    up = [r.choice(["UpBlock2D", "CrossAttnUpBlock2D"]) for _ in widths]
    config = dict(
        sample_size=8,
        in_channels=r.choice([4, 4, 3, 5]),
        out_channels=r.choice([4, 4, 6]),
        block_out_channels=widths,
        down_block_types=down,
        up_block_types=up,
        layers_per_block=r.choice([1, 2, [r.randint(1, 2) for _ in widths]]),
        norm_num_groups=groups,
        norm_eps=r.choice([1e-5, 1e-6, 1e-3]),
        cross_attention_dim=r.choice([6, 10]),
        downsample_padding=r.choice([1, 1, 0]),
        flip_sin_to_cos=r.random() < 0.8,
        freq_shift=r.choice([0, 0, 1]),
        center_input_sample=r.random() < 0.1,
        mid_block_scale_factor=r.choice([1, 1, 1.5]),
        conv_in_kernel=r.choice([3, 3, 1]),
        conv_out_kernel=r.choice([3, 3, 5]),
        time_embedding_dim=r.choice([None, None, 12]),
        use_linear_projection=family != "sd1",
        upcast_attention=r.random() < 0.3,
    )
    if r.random() < 0.15:
        config["mid_block_type"] = None
    if family == "sd1":
        config["attention_head_dim"] = r.choice([1, 2, 3])
    else:
        config["attention_head_dim"] = [r.randint(1, 4) for _ in widths]
    if r.random() < 0.5:
        config["transformer_layers_per_block"] = [r.randint(1, 3) for _ in widths]
    if r.random() < 0.2:
        config["only_cross_attention"] = [r.random() < 0.5 for _ in widths]
    if family == "sdxl":
        time = r.choice([4, 6, 8])
        config |= dict(
            addition_embed_type="text_time",
            addition_time_embed_dim=time,
            projection_class_embeddings_input_dim=r.randint(1, 9) + 6 * time,
        )
    return config


def run_unet(r: random.Random, seed: int, config: dict) -> tuple[dict, dict]:
    model = fill(UNet2DConditionModel(**config), seed).double()
    batch = r.randint(1, 2)
    # Every level must be large enough to be halved and to be normalised.
    least = max(3, 2 ** len(config["block_out_channels"]))
    height, width, tokens = r.randint(least, least + 5), r.randint(least, least + 5), r.randint(1, 6)
    times = [round(r.uniform(0, 999), 3) for _ in range(batch)]
    sample = inputs(seed, "sample", (batch, config["in_channels"], height, width)).double()
    context = inputs(seed, "context", (batch, tokens, config["cross_attention_dim"])).double()
    added, sizes = None, None
    if "addition_embed_type" in config:
        pooled = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
        sizes = [[r.choice([0, 64, 512, 768, 1024]) for _ in range(6)] for _ in range(batch)]
        text = inputs(seed, "text_embeds", (batch, pooled)).double()
        added = dict(text_embeds=text, time_ids=torch.tensor(sizes, dtype=torch.float32))
    # The sines are computed in f32 whatever the model's type.
    steps = torch.tensor(times, dtype=torch.float32)
    output = model(sample, steps, context, added_cond_kwargs=added).sample
    shape = dict(sample=list(sample.shape), context=list(context.shape), timesteps=times, time_ids=sizes)
    return shape, dict(output=output)


def draw_vae(r: random.Random) -> dict:
    levels = r.randint(1, 4)
    groups = r.choice([1, 2, 4])
    return dict(
        in_channels=r.choice([3, 3, 1]),
        out_channels=r.choice([3, 3, 2]),
        block_out_channels=[r.choice([4, 8, 12]) for _ in range(levels)],
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        layers_per_block=r.randint(1, 3),
        latent_channels=r.choice([4, 4, 1, 8]),
        norm_num_groups=groups,
        scaling_factor=r.choice([0.18215, 0.13025]),
        use_quant_conv=r.random() < 0.7,
        use_post_quant_conv=r.random() < 0.7,
        mid_block_add_attention=r.random() < 0.8,
        force_upcast=r.random() < 0.5,
    )


def run_vae(r: random.Random, seed: int, config: dict) -> tuple[dict, dict]:
    model = fill(AutoencoderKL(**config), seed).double()
    scale = 2 ** (len(config["block_out_channels"]) - 1)
    batch, height, width = r.randint(1, 2), r.randint(1, 3), r.randint(2, 3)
    image = [batch, config["in_channels"], height * scale, width * scale]
    latent = [batch, config["latent_channels"], height, width]
    moments = model.encode(inputs(seed, "image", image).double()).latent_dist
    decoded = model.decode(inputs(seed, "latent", latent).double()).sample
    found = dict(mean=moments.mean, logvar=moments.logvar, decoded=decoded)
    return dict(image=image, latent=latent), found


def draw_tiling(r: random.Random) -> dict:
    config = draw_vae(r)
    levels = r.randint(1, 3)
    config |= dict(
        block_out_channels=config["block_out_channels"][:1] * levels,
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        layers_per_block=1,
        out_channels=1,
        # A quarter of a tile is a whole number of latent positions, as in every published autoencoder.
        sample_size=4 * 2 ** (levels - 1) * r.randint(1, 2),
    )
    return config


def run_tiling(r: random.Random, seed: int, config: dict) -> tuple[dict, dict]:
    model = fill(AutoencoderKL(**config), seed).double()
    model.enable_tiling()
    model.enable_slicing()
    scale = 2 ** (len(config["block_out_channels"]) - 1)
    tile = config["sample_size"] // scale
    batch, height, width = 2, tile * r.randint(1, 3) + r.randint(1, 3), tile + r.randint(0, 3)
    image = [batch, config["in_channels"], height * scale, width * scale]
    latent = [batch, config["latent_channels"], height, width]
    moments = model.encode(inputs(seed, "image", image).double()).latent_dist
    decoded = model.decode(inputs(seed, "latent", latent).double()).sample
    assert list(decoded.shape[2:]) == image[2:]
    found = dict(mean=moments.mean, logvar=moments.logvar, decoded=decoded)
    return dict(image=image, latent=latent), found


def draw_clip(r: random.Random) -> dict:
    heads = r.randint(1, 3)
    projected = r.random() < 0.5
    vocabulary = r.randint(20, 60)
    end = r.choice([2, vocabulary - 1, r.randint(3, vocabulary - 1)])
    return dict(
        architectures=["CLIPTextModelWithProjection" if projected else "CLIPTextModel"],
        vocab_size=vocabulary,
        hidden_size=heads * r.randint(1, 8),
        intermediate_size=r.randint(4, 40),
        projection_dim=r.randint(1, 20),
        num_hidden_layers=r.randint(1, 4),
        num_attention_heads=heads,
        max_position_embeddings=r.randint(4, 16),
        hidden_act=r.choice(["quick_gelu", "gelu"]),
        layer_norm_eps=r.choice([1e-5, 1e-6]),
        bos_token_id=0,
        eos_token_id=end,
        pad_token_id=1,
    )


def run_clip(r: random.Random, seed: int, config: dict) -> tuple[dict, dict]:
    projected = config["architectures"] == ["CLIPTextModelWithProjection"]
    kind = CLIPTextModelWithProjection if projected else CLIPTextModel
    options = {key: value for key, value in config.items() if key != "architectures"}
    model = fill_text(kind(CLIPTextConfig(**options, attn_implementation="eager")), seed).double()
    batch, tokens = r.randint(1, 3), r.randint(2, config["max_position_embeddings"])
    end = config["eos_token_id"]
    others = [token for token in range(3, config["vocab_size"]) if token != end]
    ids = [[r.choice(others) for _ in range(tokens)] for _ in range(batch)]
    for row in ids:
        # Everything from the end on is filled up, with the end token again or with something else.
        place = r.randint(1, tokens - 1)
        row[place] = end if end != 2 else config["vocab_size"] - 1
        row[place + 1 :] = [r.choice([row[place], 1])] * (tokens - place - 1)
    output = model(torch.tensor(ids), output_hidden_states=True)
    pooled = output.text_embeds if projected else output.pooler_output
    found = dict(last=output.last_hidden_state, penultimate=output.hidden_states[-2], pooled=pooled)
    return dict(ids=ids), found


NETWORKS = dict(
    unet=(draw_unet, run_unet, 60),
    vae=(draw_vae, run_vae, 60),
    clip=(draw_clip, run_clip, 60),
    tiling=(draw_tiling, run_tiling, 12),
)


@torch.no_grad()
def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for network, (draw, run, count) in NETWORKS.items():
        count = int(sys.argv[2]) if len(sys.argv) > 2 else count
        cases, tensors = [], {}
        for seed in range(count):
            r = random.Random(f"{network} {seed}")
            config = draw(r)
            shape, found = run(r, seed, config)
            cases.append(dict(seed=seed, config=config, inputs=shape))
            tensors |= {f"{seed:03}.{name}": value.float().contiguous() for name, value in found.items()}
            assert all(value.isfinite().all() for value in found.values()), (network, seed)
        lines = ",\n".join(json.dumps(case) for case in cases)
        (out / f"{network}.json").write_text(f"[\n{lines}\n]\n")
        save_file(tensors, out / f"{network}.safetensors")


if __name__ == "__main__":
    main()
