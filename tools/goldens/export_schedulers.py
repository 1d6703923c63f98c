"""Writes the runs of diffusers' schedulers: a table of configurations and seeded random ones.

Run: python tools/goldens/export_schedulers.py diffusion/tests/golden/schedulers.json \
         diffusion/tests/golden/schedulers_random.json

The schedulers run in float64: their modules see numpy and torch whose float32 is float64, so that
steps can be compared far more closely than float32 allows. Latents, outputs and noises are values
of `value` below, which the test evaluates as well; only latents after steps are written.
"""

import importlib
import json
import math
import random
import sys

import numpy
import torch
from diffusers import __version__

ELEMENTS = 4
# A random run is written at so many of its steps at most, the last one among them.
WRITTEN = 6


class Doubled:
    """A module whose float32 is float64."""

    def __init__(self, module, **changed):
        self.__dict__.update(module=module, changed=changed)

    def __getattr__(self, name):
        return self.changed[name] if name in self.changed else getattr(self.module, name)


def double_linspace(*arguments, dtype=None, **options):
    return torch.linspace(*arguments, dtype=torch.float64, **options)


def double_tensor(data, dtype=None, **options):
    # The one place that gives no type is a literal 1.0, and the scheduler's own sigmoid betas.
    kind = None if dtype in (torch.int64,) else torch.float64
    return torch.tensor(data, dtype=kind, **options)


CLASSES = {}
for kind, module, name in (
    ("ddpm", "ddpm", "DDPMScheduler"),
    ("ddim", "ddim", "DDIMScheduler"),
    ("euler", "euler_discrete", "EulerDiscreteScheduler"),
    ("euler_ancestral", "euler_ancestral_discrete", "EulerAncestralDiscreteScheduler"),
    ("pndm", "pndm", "PNDMScheduler"),
    ("dpmpp_2m", "dpmsolver_multistep", "DPMSolverMultistepScheduler"),
):
    module = importlib.import_module(f"diffusers.schedulers.scheduling_{module}")
    module.torch = Doubled(torch, float32=torch.float64, linspace=double_linspace, tensor=double_tensor)
    module.np = Doubled(numpy, float32=numpy.float64)
    module.randn_tensor = lambda *_, **__: CURRENT_NOISE
    CLASSES[kind] = getattr(module, name)
CURRENT_NOISE = None


def value(seed, stream, index):
    """A number in [-2, 2): the top bits of SplitMix64's output for the three numbers."""
    mask = (1 << 64) - 1
    z = (seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03 + index * 0x8CB92BA72F3D8DD7) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    z ^= z >> 31
    return (z >> 11) / (1 << 53) * 4.0 - 2.0


def vector(seed, stream):
    values = [value(seed, stream, index) for index in range(ELEMENTS)]
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, 2, ELEMENTS // 2)


def run(kind, settings, steps, eta, seed, written):
    """Runs one configuration; a refusal of diffusers, or a result that is not finite, is a run too."""
    global CURRENT_NOISE
    head = dict(kind=kind, config=dict(settings), steps=steps, eta=eta, seed=seed)
    try:
        scheduler = CLASSES[kind](**settings)
        scheduler.set_timesteps(steps)
        timesteps = [float(t) for t in scheduler.timesteps]
        # Where rounding appends timestep -1, mitune leaves it out on purpose.
        if timesteps[-1] < 0:
            return None
        sample = vector(seed, 0) * float(scheduler.init_noise_sigma)
        # What the pipelines of flow models do; without it a repeated first timestep is skipped.
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)
        latents = []
        inputs = []
        for index, timestep in enumerate(scheduler.timesteps):
            output = vector(seed, 2 * index + 1)
            CURRENT_NOISE = vector(seed, 2 * index + 2)
            inputs.append(float(scheduler.scale_model_input(sample, timestep)[0, 0, 0, 0]))
            options = dict(eta=eta, variance_noise=CURRENT_NOISE if eta else None) if kind == "ddim" else {}
            if kind in ("ddpm", "ddim"):
                timestep = int(timestep)
            sample = scheduler.step(output, timestep, sample, **options).prev_sample
            latents.append(sample.flatten().tolist())
    except (ValueError, IndexError, NotImplementedError, RuntimeError, ZeroDivisionError, TypeError) as error:
        return dict(head, refused=f"{type(error).__name__}: {error}"[:80])
    if not all(math.isfinite(x) for latent in latents for x in latent):
        return dict(head, refused="not finite")
    count = len(latents)
    places = range(count) if count <= written else sorted({round(i * (count - 1) / (written - 1)) for i in range(written)})
    short = lambda x: float(f"{x:.11g}")
    return dict(
        head,
        start=short(float(scheduler.init_noise_sigma)),
        timesteps=[short(timesteps[i]) for i in places],
        evaluations=count,
        places=list(places),
        inputs=[short(inputs[i]) for i in places],
        latents=[[short(x) for x in latents[i]] for i in places],
    )


LATENT = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
UNCLIPPED = dict(LATENT, clip_sample=False)
STABLE = dict(LATENT, steps_offset=1)
V = dict(prediction_type="v_prediction")
DYNAMIC = dict(thresholding=True, dynamic_thresholding_ratio=0.9, sample_max_value=1.7)
ZERO = dict(V, timestep_spacing="trailing", rescale_betas_zero_snr=True)
TRAINED = dict(num_train_timesteps=5, trained_betas=[0.1, 0.2, 0.3, 0.4, 0.5])
TABLE = [
    ("ddpm", dict(UNCLIPPED, steps_offset=1), 8, 0.0),
    ("ddpm", dict(UNCLIPPED, steps_offset=1), 100, 0.0),
    ("ddpm", dict(UNCLIPPED, **V, timestep_spacing="linspace"), 7, 0.0),
    ("ddpm", dict(UNCLIPPED, prediction_type="sample", timestep_spacing="trailing"), 6, 0.0),
    ("ddpm", dict(), 5, 0.0),
    ("ddpm", dict(clip_sample_range=0.4, beta_schedule="sigmoid"), 5, 0.0),
    ("ddpm", dict(UNCLIPPED, variance_type="fixed_small_log"), 5, 0.0),
    ("ddpm", dict(UNCLIPPED, variance_type="fixed_large", steps_offset=1), 5, 0.0),
    ("ddpm", dict(beta_schedule="squaredcos_cap_v2", **V), 9, 0.0),
    ("ddpm", dict(UNCLIPPED, **DYNAMIC), 5, 0.0),
    ("ddpm", TRAINED, 5, 0.0),
    ("ddpm", dict(UNCLIPPED, steps_offset=1), 1, 0.0),
    ("ddim", dict(UNCLIPPED, steps_offset=1, set_alpha_to_one=False), 8, 0.0),
    ("ddim", dict(UNCLIPPED, steps_offset=1, set_alpha_to_one=False), 50, 0.0),
    ("ddim", dict(UNCLIPPED, timestep_spacing="trailing"), 30, 0.0),
    ("ddim", dict(UNCLIPPED, timestep_spacing="linspace", prediction_type="sample"), 7, 0.3),
    ("ddim", dict(UNCLIPPED, **V), 6, 1.0),
    ("ddim", dict(clip_sample_range=0.7), 6, 0.5),
    ("ddim", dict(UNCLIPPED, **DYNAMIC, **V), 5, 0.5),
    ("ddim", dict(UNCLIPPED, **ZERO), 8, 0.0),
    ("ddim", dict(UNCLIPPED, steps_offset=1), 2, 0.0),
    ("euler", dict(STABLE, timestep_spacing="leading"), 8, 0.0),
    ("euler", dict(LATENT), 50, 0.0),
    ("euler", dict(LATENT), 1, 0.0),
    ("euler", dict(LATENT, timestep_spacing="leading"), 2, 0.0),
    ("euler", dict(LATENT, **V, timestep_spacing="trailing"), 7, 0.0),
    ("euler", dict(LATENT, prediction_type="sample", final_sigmas_type="sigma_min"), 7, 0.0),
    ("euler", dict(LATENT, use_karras_sigmas=True), 9, 0.0),
    ("euler", dict(LATENT, use_exponential_sigmas=True, sigma_min=0.1, sigma_max=9.0), 6, 0.0),
    ("euler", dict(LATENT, interpolation_type="log_linear"), 6, 0.0),
    ("euler", dict(LATENT, **ZERO), 8, 0.0),
    ("euler", dict(beta_schedule="squaredcos_cap_v2"), 6, 0.0),
    ("euler", TRAINED, 3, 0.0),
    ("euler", dict(STABLE, timestep_spacing="leading"), 1000, 0.0),
    ("euler_ancestral", dict(STABLE, timestep_spacing="leading"), 8, 0.0),
    ("euler_ancestral", dict(LATENT), 50, 0.0),
    ("euler_ancestral", dict(LATENT), 1, 0.0),
    ("euler_ancestral", dict(LATENT, **V, timestep_spacing="trailing"), 7, 0.0),
    ("euler_ancestral", dict(LATENT, **ZERO), 8, 0.0),
    ("euler_ancestral", TRAINED, 3, 0.0),
    ("pndm", dict(STABLE, skip_prk_steps=True), 8, 0.0),
    ("pndm", dict(STABLE, skip_prk_steps=True), 50, 0.0),
    ("pndm", dict(STABLE, skip_prk_steps=True), 1, 0.0),
    ("pndm", dict(STABLE, skip_prk_steps=True), 2, 0.0),
    ("pndm", dict(STABLE, skip_prk_steps=True), 3, 0.0),
    ("pndm", dict(LATENT, **V, skip_prk_steps=True, set_alpha_to_one=True), 9, 0.0),
    ("pndm", dict(LATENT, skip_prk_steps=True, timestep_spacing="linspace"), 7, 0.0),
    ("pndm", dict(LATENT, skip_prk_steps=True, timestep_spacing="trailing"), 7, 0.0),
    ("pndm", dict(STABLE), 4, 0.0),
    ("pndm", dict(STABLE), 10, 0.0),
    ("pndm", dict(LATENT, **V), 12, 0.0),
    ("dpmpp_2m", dict(LATENT), 8, 0.0),
    ("dpmpp_2m", dict(STABLE, timestep_spacing="leading"), 20, 0.0),
    ("dpmpp_2m", dict(LATENT), 1, 0.0),
    ("dpmpp_2m", dict(LATENT), 2, 0.0),
    ("dpmpp_2m", dict(LATENT, **V, timestep_spacing="trailing"), 9, 0.0),
    ("dpmpp_2m", dict(LATENT, prediction_type="sample", solver_order=1), 6, 0.0),
    ("dpmpp_2m", dict(LATENT, solver_type="heun"), 16, 0.0),
    ("dpmpp_2m", dict(LATENT, solver_order=3), 8, 0.0),
    ("dpmpp_2m", dict(LATENT, solver_order=3, algorithm_type="sde-dpmsolver++"), 17, 0.0),
    ("dpmpp_2m", dict(LATENT, algorithm_type="sde-dpmsolver++"), 8, 0.0),
    ("dpmpp_2m", dict(LATENT, algorithm_type="sde-dpmsolver++", solver_type="heun"), 8, 0.0),
    ("dpmpp_2m", dict(LATENT, use_karras_sigmas=True), 9, 0.0),
    ("dpmpp_2m", dict(LATENT, use_lu_lambdas=True), 9, 0.0),
    ("dpmpp_2m", dict(LATENT, use_exponential_sigmas=True), 9, 0.0),
    ("dpmpp_2m", dict(LATENT, final_sigmas_type="sigma_min"), 9, 0.0),
    ("dpmpp_2m", dict(LATENT, final_sigmas_type="sigma_min", euler_at_final=True), 18, 0.0),
    ("dpmpp_2m", dict(LATENT, final_sigmas_type="sigma_min", lower_order_final=False), 9, 0.0),
    ("dpmpp_2m", dict(LATENT, **DYNAMIC), 8, 0.0),
    ("dpmpp_2m", dict(beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1), 8, 0.0),
    ("dpmpp_2m", dict(LATENT, **ZERO), 8, 0.0),
    # Refused by both.
    ("ddpm", dict(UNCLIPPED), 1001, 0.0),
    ("ddim", dict(UNCLIPPED, rescale_betas_zero_snr=True, timestep_spacing="trailing"), 4, 0.0),
    ("euler_ancestral", dict(LATENT, prediction_type="sample"), 4, 0.0),
    ("pndm", dict(STABLE), 3, 0.0),
    ("pndm", dict(STABLE, skip_prk_steps=True), 1000, 0.0),
    ("dpmpp_2m", dict(LATENT, timestep_spacing="leading"), 1000, 0.0),
]


def random_case(kind, generator):
    pick = generator.choice
    maybe = lambda: generator.random() < 0.3
    length = pick([1000, 1000, 500, 100, 30])
    settings = dict(num_train_timesteps=length)
    curve = pick(["linear", "scaled_linear", "squaredcos_cap_v2"] + (["sigmoid"] if kind == "ddpm" else []))
    settings["beta_schedule"] = curve
    if curve != "squaredcos_cap_v2":
        settings["beta_start"] = round(generator.uniform(1e-5, 1e-3), 7)
        settings["beta_end"] = round(generator.uniform(2e-3, 2e-2) * 1000 / length, 6)
    elif maybe():
        settings = dict(num_train_timesteps=length, trained_betas=[round(generator.uniform(1e-4, 0.05), 5) for _ in range(length)]) if length == 30 else settings
    settings["prediction_type"] = pick(["epsilon", "v_prediction"] + ([] if kind in ("pndm", "euler_ancestral") else ["sample"]))
    if maybe() or generator.random() < 0.5:
        settings["timestep_spacing"] = pick(["leading", "linspace", "trailing"])
    if maybe():
        settings["steps_offset"] = 1
    if kind != "pndm" and maybe():
        settings["rescale_betas_zero_snr"] = True
    if kind in ("ddpm", "ddim"):
        if generator.random() < 0.5:
            settings["clip_sample"] = False
        if maybe():
            settings["clip_sample_range"] = round(generator.uniform(0.3, 3), 3)
    if kind in ("ddpm", "ddim", "dpmpp_2m") and maybe():
        settings.update(
            thresholding=True,
            dynamic_thresholding_ratio=round(generator.uniform(0.3, 1), 3),
            sample_max_value=round(generator.uniform(0.8, 3), 3),
        )
    if kind == "ddpm" and maybe():
        settings["variance_type"] = pick(["fixed_small", "fixed_small_log", "fixed_large"])
    if kind in ("ddim", "pndm") and maybe():
        settings["set_alpha_to_one"] = pick([True, False])
    if kind == "pndm" and generator.random() < 0.6:
        settings["skip_prk_steps"] = True
    if kind in ("euler", "dpmpp_2m"):
        if generator.random() < 0.4:
            settings[pick(["use_karras_sigmas", "use_exponential_sigmas"] + (["use_lu_lambdas"] if kind == "dpmpp_2m" else []))] = True
        if maybe():
            settings["final_sigmas_type"] = "sigma_min"
    if kind == "euler" and maybe():
        settings["interpolation_type"] = "log_linear"
    if kind == "dpmpp_2m":
        settings["solver_order"] = pick([1, 2, 2, 2, 3])
        if maybe():
            settings["algorithm_type"] = "sde-dpmsolver++"
        if maybe():
            settings["solver_type"] = "heun"
        if maybe():
            settings["lower_order_final"] = False
        if maybe():
            settings["euler_at_final"] = True
        if maybe():
            settings["lambda_min_clipped"] = round(generator.uniform(-6, -2), 2)
    steps = generator.choice([1, 2, 3, generator.randint(4, 12), generator.randint(4, 30), generator.randint(4, length)])
    steps = min(steps, length)
    eta = round(generator.random(), 3) if kind == "ddim" and maybe() else 0.0
    return settings, steps, eta


def random_runs(kind, count):
    found, seed = [], 0
    while len(found) < count:
        generator = random.Random(f"{kind} {seed}")
        case = run(kind, *random_case(kind, generator), seed, WRITTEN)
        if case is not None:
            found.append(case)
        seed += 1
    return found


def spacing(kind, name, offset):
    """One checksum for each number of steps, from 1 to 999."""
    scheduler = CLASSES[kind](timestep_spacing=name, steps_offset=offset)
    sums = []
    for steps in range(1, 1000):
        scheduler.set_timesteps(steps)
        found = [int(t) for t in scheduler.timesteps]
        # Rounding gives `trailing` one entry too many at some counts, timestep -1.
        assert found[steps:] in ([], [-1]), (name, steps, found)
        sums.append(sum((i + 1) * t for i, t in enumerate(found[:steps])))
    return dict(kind=kind, spacing=name, offset=offset, checksums=sums)


def write(path, golden):
    with open(path, "w") as file:
        json.dump(golden, file, separators=(",", ":"), allow_nan=False)
        file.write("\n")


versions = dict(diffusers=__version__, torch=torch.__version__.split("+")[0])
table = [run(kind, settings, steps, eta, seed, 1000 if steps <= 20 else 12) for seed, (kind, settings, steps, eta) in enumerate(TABLE)]
assert None not in table
rules = (("leading", 0), ("leading", 1), ("trailing", 0), ("linspace", 0))
spacings = [spacing(kind, *rule) for kind in ("ddpm", "dpmpp_2m") for rule in rules]
write(sys.argv[1], dict(versions, cases=table, spacings=spacings))
runs = [case for kind in CLASSES for case in random_runs(kind, 60)]
write(sys.argv[2], dict(versions, cases=runs))
for kind in CLASSES:
    mine = [case for case in runs if case["kind"] == kind]
    refused = [case["refused"] for case in mine if "refused" in case]
    print(kind, len(mine), "runs,", len(refused), "refused:", sorted(set(refused)))
