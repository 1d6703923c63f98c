"""Writes diffusion/tests/golden/schedulers.json with the schedulers of diffusers.

Run: python tools/goldens/export_schedulers.py diffusion/tests/golden/schedulers.json

Tables are taken as diffusers computes them, in float32. Steps are run in float64 on products of
the same betas, so that they can be compared more closely than float32 allows.
"""

import json
import sys

import torch
from diffusers import DDIMScheduler, DDPMScheduler, __version__
from diffusers.schedulers import scheduling_ddpm

LATENT = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False)
CASES = [
    (DDPMScheduler, dict(LATENT, steps_offset=1), 8, 0.0),
    (DDPMScheduler, dict(LATENT, steps_offset=1), 100, 0.0),
    (DDPMScheduler, dict(LATENT, prediction_type="v_prediction", timestep_spacing="linspace"), 7, 0.0),
    (DDPMScheduler, dict(LATENT, prediction_type="sample", timestep_spacing="trailing"), 6, 0.0),
    (DDPMScheduler, dict(), 5, 0.0),
    (DDPMScheduler, dict(clip_sample_range=0.4, beta_schedule="sigmoid"), 5, 0.0),
    (DDPMScheduler, dict(LATENT, variance_type="fixed_small_log"), 5, 0.0),
    (DDPMScheduler, dict(LATENT, variance_type="fixed_large", steps_offset=1), 5, 0.0),
    (DDPMScheduler, dict(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"), 9, 0.0),
    (DDPMScheduler, dict(num_train_timesteps=5, trained_betas=[0.1, 0.2, 0.3, 0.4, 0.5]), 5, 0.0),
    (DDIMScheduler, dict(LATENT, steps_offset=1, set_alpha_to_one=False), 8, 0.0),
    (DDIMScheduler, dict(LATENT, steps_offset=1, set_alpha_to_one=False), 50, 0.0),
    (DDIMScheduler, dict(LATENT, timestep_spacing="trailing"), 30, 0.0),
    (DDIMScheduler, dict(LATENT, timestep_spacing="linspace", prediction_type="sample"), 7, 0.3),
    (DDIMScheduler, dict(LATENT, prediction_type="v_prediction"), 6, 1.0),
    (DDIMScheduler, dict(clip_sample_range=0.7), 6, 0.5),
    (
        DDIMScheduler,
        dict(
            LATENT,
            prediction_type="v_prediction",
            timestep_spacing="trailing",
            rescale_betas_zero_snr=True,
        ),
        8,
        0.0,
    ),
]


def case(kind, settings, steps, eta, generator):
    scheduler = kind(**settings)
    table = scheduler.alphas_cumprod.tolist()
    scheduler.alphas_cumprod = torch.cumprod(1 - scheduler.betas.double(), 0)
    scheduler.one = torch.tensor(1.0, dtype=torch.float64)
    if kind is DDIMScheduler:
        to_one = scheduler.config.set_alpha_to_one
        end = scheduler.one if to_one else scheduler.alphas_cumprod[0]
        scheduler.final_alpha_cumprod = end
    scheduler.set_timesteps(steps)
    normal = lambda: torch.randn(1, 1, 1, 3, dtype=torch.float64, generator=generator)
    sample, trajectory = normal(), []
    for timestep in scheduler.timesteps:
        output, noise = normal(), normal()
        if kind is DDIMScheduler:
            result = scheduler.step(output, int(timestep), sample, eta=eta, variance_noise=noise if eta else None)
        else:
            scheduling_ddpm.randn_tensor = lambda *_, **__: noise
            result = scheduler.step(output, int(timestep), sample)
        rows = (sample, output, noise, result.prev_sample)
        trajectory.append([row.flatten().tolist() for row in rows])
        sample = result.prev_sample
    positions = sorted({0, 1, len(table) // 2, len(table) - 2, len(table) - 1})
    return dict(
        scheduler="ddpm" if kind is DDPMScheduler else "ddim",
        eta=eta,
        config={key: value for key, value in scheduler.config.items()},
        timesteps=scheduler.timesteps.tolist(),
        alphas_cumprod={str(t): table[t] for t in positions},
        steps=trajectory,
    )


def spacing(name, offset):
    """One checksum for each number of steps, from 1 to 999."""
    scheduler = DDPMScheduler(timestep_spacing=name, steps_offset=offset)
    sums = []
    for steps in range(1, 1000):
        scheduler.set_timesteps(steps)
        found = scheduler.timesteps.tolist()
        # Rounding gives `trailing` one entry too many at some counts, timestep -1.
        assert found[steps:] in ([], [-1]), (name, steps, found)
        found = found[:steps]
        sums.append(sum((i + 1) * t for i, t in enumerate(found)))
    return dict(spacing=name, offset=offset, checksums=sums)


generator = torch.Generator().manual_seed(20)
golden = dict(
    diffusers=__version__,
    torch=torch.__version__.split("+")[0],
    cases=[case(*arguments, generator) for arguments in CASES],
    spacings=[spacing(*a) for a in (("leading", 0), ("leading", 1), ("trailing", 0), ("linspace", 0))],
)
with open(sys.argv[1], "w") as file:
    json.dump(golden, file, separators=(",", ":"))
    file.write("\n")
