"""Writes distances of sets, and features of seeded DINOv2 and Inception networks.

Frechet distances are clean-fid's, or by singular values where a covariance is singular and a matrix root has no digits;
the kernel distance is CMMD's formula in f64, and in f32 as its reference sums. Inception is clean-fid's copy of
pytorch-fid's network, DINOv2 that of transformers with either interpolation of position embeddings.

Run: python tools/goldens/export_judges_sets.py judges/tests/golden/sets
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from cleanfid import inception_pytorch
from cleanfid.fid import frechet_distance
from safetensors.torch import save_file
from scipy import linalg
from transformers import Dinov2Config, Dinov2Model

import seeded

DISTANCE_SEED, DINO_SEED, INCEPTION_SEED = 47, 41, 43


def features(name, count, width):
    drawn = seeded.inputs(DISTANCE_SEED, f"{name} {count} {width}", (count, width)).numpy()
    return drawn / (1 + np.arange(width) % 7).astype(np.float32)


def moved(name, count, width):
    return features(name, count, width) * np.float32(1.25) + np.float32(0.25)


def by_singular_values(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    deviations = [(rows - rows.mean(0)) / math.sqrt(len(rows) - 1) for rows in (x, y)]
    common = linalg.svdvals(deviations[0] @ deviations[1].T).sum()
    apart = x.mean(0) - y.mean(0)
    return apart @ apart + sum((rows**2).sum() for rows in deviations) - 2 * common


def by_clean_fid(x, y):
    statistics = [(rows.astype(np.float64).mean(0), np.cov(rows.astype(np.float64), rowvar=False)) for rows in (x, y)]
    return frechet_distance(*statistics[0], *statistics[1])


def frechet_case(images, reference, width):
    x, y = features("images", images, width), moved("reference", reference, width)
    distance = float(by_singular_values(x, y))
    if min(images, reference) > 2 * width:
        clean_fid = float(by_clean_fid(x, y))
        assert abs(clean_fid / distance - 1) < 1e-9, (clean_fid, distance)
        distance = clean_fid
    return dict(images=images, reference=reference, width=width, distance=distance)


def kernel_distance(x, y):
    """cmmd-pytorch's `distance.py`, in the type of its inputs."""
    gamma = x.new_tensor(1 / (2 * 10**2))
    squares = [torch.diag(rows @ rows.T) for rows in (x, y)]

    def mean(a, b, of_a, of_b):
        return torch.mean(torch.exp(-gamma * (-2 * (a @ b.T) + of_a[:, None] + of_b[None, :])))

    within = mean(x, x, squares[0], squares[0]) + mean(y, y, squares[1], squares[1])
    return float(1000 * (within - 2 * mean(x, y, *squares)))


def normalized(rows):
    """Lengths in f64, rounded once."""
    wide = rows.astype(np.float64)
    return (wide / np.sqrt((wide**2).sum(1, keepdims=True))).astype(np.float32)


def kernel_case(images, reference, width):
    x = torch.from_numpy(normalized(features("images", images, width)))
    y = torch.from_numpy(normalized(moved("reference", reference, width)))
    in_f32, in_f64 = kernel_distance(x, y), kernel_distance(x.double(), y.double())
    print(f"kernel distance of {images} and {reference} images: f64 {in_f64:.9f}, f32 {in_f32:.9f}")
    return dict(images=images, reference=reference, width=width, distance=in_f64, distance_f32=in_f32)


def diversity_case(images, width):
    rows = features("images", images, width).astype(np.float64)
    rows /= np.sqrt((rows**2).sum(1, keepdims=True))
    cosines = rows @ rows.T
    shares = linalg.eigvalsh(cosines / images)
    shares = shares[shares > 1e-14]
    return dict(
        images=images,
        width=width,
        mean_cosine_distance=float(1 - cosines[np.triu_indices(images, 1)].mean()),
        vendi_score=float(np.exp(-(shares * np.log(shares)).sum())),
    )


def published_name(name):
    """Names of files, which transformers shortens in memory."""
    for short, published in [
        ("attention.q_proj", "attention.attention.query"),
        ("attention.k_proj", "attention.attention.key"),
        ("attention.v_proj", "attention.attention.value"),
        ("attention.o_proj", "attention.output.dense"),
        ("mlp.down_proj", "mlp.weights_out"),
    ]:
        name = name.replace(short, published)
    return name


def fill_dino(model):
    parameters = dict(model.named_parameters())
    for name, parameter in parameters.items():
        if "mlp.up_proj" in name:
            continue
        if "mlp.gate_proj" in name:
            up = parameters[name.replace("gate_proj", "up_proj")]
            joined = name.replace("gate_proj", "weights_in")
            shape = (2 * parameter.shape[0], *parameter.shape[1:])
            gate, rest = seeded.values(DINO_SEED, joined, shape).chunk(2)
            parameter.copy_(gate)
            up.copy_(rest)
            continue
        parameter.copy_(seeded.values(DINO_SEED, published_name(name), tuple(parameter.shape)))
    return model.eval()


def by_scale_factor(embeddings):
    """`interpolate_pos_encoding` of DINOv2's own `vision_transformer.py`, with its offset of 0.1."""

    def interpolate(tokens, height, width):
        known = embeddings.position_embeddings
        count = known.shape[1] - 1
        if tokens.shape[1] - 1 == count and height == width:
            return known
        side = int(math.sqrt(count))
        patches = [size // embeddings.patch_size for size in (height, width)]
        grid = known[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        scale = tuple(float(size + 0.1) / side for size in patches)
        grid = torch.nn.functional.interpolate(grid, mode="bicubic", antialias=False, scale_factor=scale)
        assert grid.shape[2:] == tuple(patches)
        return torch.cat([known[:, :1], grid.permute(0, 2, 3, 1).reshape(1, -1, known.shape[2])], dim=1)

    return interpolate


def dino():
    golden = {}
    for kind, gated in [("mlp", False), ("swiglu", True)]:
        config = Dinov2Config(
            hidden_size=24,
            num_hidden_layers=3,
            num_attention_heads=3,
            image_size=35,
            patch_size=7,
            use_swiglu_ffn=gated,
            attn_implementation="eager",
        )
        model = fill_dino(Dinov2Model(config))
        own = model.embeddings.interpolate_pos_encoding
        for side in [35, 21, 44]:
            images = seeded.inputs(DINO_SEED, f"images {side}", (2, side, side, 3)).permute(0, 3, 1, 2)
            for name, interpolate in [("scale_factor", by_scale_factor(model.embeddings)), ("size", own)]:
                model.embeddings.interpolate_pos_encoding = interpolate
                golden[f"{kind}.{side}.{name}"] = model(images).pooler_output.clone()
    return golden


def inception():
    """The state is made instead of fetched."""

    def seeded_state(*_, **__):
        model = inception_pytorch._inception_v3(num_classes=1008, aux_logits=False, pretrained=False)
        for name, pool in [("Mixed_5b", (192, 32)), ("Mixed_5c", (256, 64)), ("Mixed_5d", (288, 64))]:
            setattr(model, name, inception_pytorch.FIDInceptionA(*pool))
        state = model.state_dict()
        for name, known in state.items():
            if name.endswith("num_batches_tracked") or name.startswith("fc."):
                continue
            drawn = seeded.values(INCEPTION_SEED, name, tuple(known.shape))
            if name.endswith(".conv.weight"):
                drawn = drawn * torch.tensor(math.sqrt(2), dtype=torch.float32)
            if name.endswith(".running_var"):
                drawn = drawn + 1
            state[name] = drawn
        return state

    inception_pytorch.load_state_dict_from_url = seeded_state
    images = seeded.inputs(INCEPTION_SEED, "images", (2, 139, 107, 3)).permute(0, 3, 1, 2)
    golden = {}
    network = inception_pytorch.InceptionV3(resize_input=False, normalize_input=False).eval()
    golden["clean"] = network(images)[0].flatten(1)
    # What pytorch-fid is given for the same 8-bit values, (x - 128) / 128 undone.
    network = inception_pytorch.InceptionV3(resize_input=False, normalize_input=True).eval()
    golden["pytorch_fid"] = network((images.double() * 128 + 128).div(255).float())[0].flatten(1)
    return golden


@torch.no_grad()
def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    sizes = [(40, 30, 8), (12, 9, 32), (2, 5, 6), (5, 400, 24), (700, 600, 24), (300, 320, 150), (500, 90, 300)]
    distances = dict(
        frechet=[frechet_case(*size) for size in sizes],
        kernel=[kernel_case(*size) for size in [(50, 60, 16), (1, 3, 8), (1500, 1100, 32)]],
        diversity=[diversity_case(*size) for size in [(2, 8), (50, 16), (12, 300)]],
    )
    (out / "distances.json").write_text(json.dumps(distances, indent=1) + "\n")
    for name, tensors in [("dino", dino()), ("inception", inception())]:
        save_file({key: value.contiguous() for key, value in tensors.items()}, out / f"{name}.safetensors")


if __name__ == "__main__":
    main()
