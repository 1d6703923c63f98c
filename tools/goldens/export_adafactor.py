"""Writes the golden file of Adafactor: transformers' own is the reference.

Run: python tools/goldens/export_adafactor.py diffusion/tests/golden/training/adafactor.safetensors

Eight updates from given gradients, as Diffusion-DPO trains Stable Diffusion XL (`scale_parameter` and `relative_step`
off), of a matrix, a vector, a convolution, and a convolution of one pixel, whose matrices have one element. Start values
and gradients are those of `seeded.py`, so the file holds parameters after every update and the last state only. Results
are those of f64.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from transformers.optimization import Adafactor

from seeded import inputs, values

SEED, UPDATES, RATE = 43, 8, 2e-2
SHAPES = {"matrix": (5, 4), "vector": (7,), "convolution": (3, 2, 3, 3), "projection": (4, 3, 1, 1)}
CASES = {
    "plain": {},
    "decayed": dict(eps=(1e-6, 1e-3), clip_threshold=0.5, decay_rate=-0.5, weight_decay=0.1),
}


def size(update: int) -> float:
    """Small, then large gradients: the longer ones are clipped."""
    return 10.0 ** (update / 4 - 1)


def run(case: dict) -> dict:
    parameters = {name: nn.Parameter(values(SEED, name, shape).double()) for name, shape in SHAPES.items()}
    optimizer = Adafactor(
        parameters.values(), lr=RATE, scale_parameter=False, relative_step=False, warmup_init=False, **case
    )
    after = {name: [] for name in SHAPES}
    for update in range(UPDATES):
        for name, shape in SHAPES.items():
            gradient = inputs(SEED, f"{name} {update}", shape)
            parameters[name].grad = (gradient * size(update)).double()
        optimizer.step()
        for name in SHAPES:
            after[name].append(parameters[name].detach().clone())
    tensors = {f"{name}.after": torch.stack(found) for name, found in after.items()}
    for name, parameter in parameters.items():
        state = optimizer.state[parameter]
        for key, ours in [("exp_avg_sq_row", "rows"), ("exp_avg_sq_col", "columns"), ("exp_avg_sq", "whole")]:
            if key in state:
                tensors[f"{name}.{ours}"] = state[key]
    return tensors


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, case in CASES.items():
        tensors |= {f"{name}.{key}": value.detach().float().contiguous() for key, value in run(case).items()}
    save_file(tensors, out)
