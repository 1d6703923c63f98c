"""Weights that follow from a seed and a tensor's name, the same numbers as `weights/seeded.rs` makes.

Element `i` of tensor `name` is `scale * u + shift` with `u` uniform in -1..1: the 24 highest bits of the `i`-th output
of SplitMix64 whose state is `FNV-1a(name) ^ seed * 0x9E3779B97F4A7C15`.
"""

import numpy as np
import torch

GOLDEN = 0x9E3779B97F4A7C15
MASK = 0xFFFFFFFFFFFFFFFF


def name_hash(name: str) -> int:
    hashed = 0xCBF29CE484222325
    for byte in name.encode():
        hashed = ((hashed ^ byte) * 0x100000001B3) & MASK
    return hashed


def uniform(seed: int, name: str, count: int) -> np.ndarray:
    """`count` numbers in -1..1, each a multiple of 2^-23."""
    state = np.uint64(name_hash(name) ^ (seed * GOLDEN & MASK))
    with np.errstate(over="ignore"):
        z = state + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0


def values(seed: int, name: str, shape) -> torch.Tensor:
    """A tensor as f32: variance 1 / fan-in for matrices and kernels, 1 + noise for scales, noise for shifts."""
    count = int(np.prod(shape))
    drawn = uniform(seed, name, count)
    if len(shape) > 1:
        drawn = drawn * np.sqrt(3.0 / (count // shape[0]))
    elif name.endswith("weight"):
        drawn = drawn * 0.25 + 1.0
    else:
        drawn = drawn * 0.25
    return torch.from_numpy(drawn.astype(np.float32).reshape(shape))


@torch.no_grad()
def fill(module: torch.nn.Module, seed: int, prefix: str = "") -> torch.nn.Module:
    """Fills every parameter; `prefix` is put before names that lack it (see `text_name`)."""
    for name, parameter in module.named_parameters():
        name = text_name(name) if prefix else name
        parameter.copy_(values(seed, name, tuple(parameter.shape)))
    return module.eval()


def text_name(name: str) -> str:
    """transformers 5 leaves out `text_model.` where every published file has it."""
    return name if name.startswith(("text_model.", "text_projection.")) else f"text_model.{name}"


def fill_text(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    return fill(module, seed, "text_model.")


def inputs(seed: int, name: str, shape) -> torch.Tensor:
    """Input of a test: variance 1, named apart from every weight."""
    drawn = uniform(seed, f"input {name}", int(np.prod(shape))) * np.sqrt(3.0)
    return torch.from_numpy(drawn.astype(np.float32).reshape(shape))
