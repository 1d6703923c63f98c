"""Writes levels of diffusers' FlowMatchEulerDiscreteScheduler and the flow estimator in PyTorch's float32.

Run: python tools/goldens/export_rectified_flow.py diffusion/tests/golden/rectified_flow.json
"""

import json
import random
import sys

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, __version__


def levels(length, shift, steps):
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=length, shift=shift)
    scheduler.set_timesteps(steps)
    found = scheduler.timesteps.double()
    last = len(found) - 1
    places = [found[i].item() for i in (0, min(1, last), last // 2, last)]
    return dict(num_train_timesteps=length, shift=shift, steps=steps, timesteps=places, sum=found.sum().item())


def reference():
    """Steps are left out at level 1 and from 0.05 down; the rest is a plain mean of sums over elements."""
    generator = torch.Generator().manual_seed(7)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(12)
    guidance = 7.5
    # Few digits, which both sides read as the same numbers.
    draw = lambda: (torch.randn(4, generator=generator) * 1000).round() / 1000
    pairs = [(draw(), draw()) for _ in scheduler.timesteps]
    means = {}
    for name, scale in (("guided", guidance), ("unguided", 1.0)):
        terms = []
        for timestep, (unconditional, conditional) in zip(scheduler.timesteps, pairs):
            sigma = timestep / 1000
            if sigma != 1 and sigma > 0.05:
                velocity = unconditional + scale * (conditional - unconditional)
                terms.append(((1 - sigma) / sigma * velocity * (velocity - unconditional)).sum())
        means[name] = torch.stack(terms).mean().item()
    return dict(
        sigmas=(scheduler.timesteps.double() / 1000).tolist(),
        guidance=guidance,
        unconditional=[[round(x, 3) for x in u.tolist()] for u, _ in pairs],
        conditional=[[round(x, 3) for x in c.tolist()] for _, c in pairs],
        **means,
    )


generator = random.Random(1)
cases = [levels(1000, 3.0, 100), levels(1000, 3.0, 28), levels(1000, 1.0, 50), levels(1000, 3.0, 1), levels(1000, 3.0, 1000)]
for _ in range(60):
    length = generator.choice([1000, 1000, 500, 100])
    cases.append(levels(length, round(generator.uniform(0.4, 8), 3), generator.randint(1, length)))
versions = dict(diffusers=__version__, torch=torch.__version__.split("+")[0])
with open(sys.argv[1], "w") as file:
    json.dump(dict(versions, cases=cases, reference=reference()), file, separators=(",", ":"))
    file.write("\n")
