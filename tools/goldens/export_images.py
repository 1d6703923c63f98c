"""Writes the images that diffusers makes with the tiny pipelines, for every scheduler.

Run: python tools/goldens/export_images.py diffusion/tests/golden/models diffusion/tests/golden/images

Each case is one call of the pipeline with `torch.Generator("cpu").manual_seed(seed)`. The paper's mutual information is
evaluated in NumPy from the outputs of the denoiser on the way.
"""

import json
import logging
import sys
from pathlib import Path

import numpy
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    __version__,
)
from diffusers.utils.logging import disable_progress_bar
from safetensors.torch import save_file

SCHEDULERS = dict(
    ddpm=DDPMScheduler,
    ddim=DDIMScheduler,
    euler=EulerDiscreteScheduler,
    euler_ancestral=EulerAncestralDiscreteScheduler,
    pndm=PNDMScheduler,
    dpmpp_2m=DPMSolverMultistepScheduler,
)
CASES = [
    dict(prompt="a red circle and a blue square", negative="", count=1, seed=0, steps=20, guidance=7.5, height=16, width=16),
    dict(prompt="two cats, 3 dogs!", negative="blurry, grey", count=3, seed=0, steps=7, guidance=5.0, height=16, width=24),
    dict(prompt="un caf\u00e9 \u2615 by the sea", negative="", count=2, seed=1234567, steps=50, guidance=2.5, height=16, width=16),
]
# One call each, beyond the table: no guidance, one and two steps, DDIM as noisy as DDPM.
BEYOND = [
    ("ddpm", dict(CASES[0], clip_sample=False)),
    ("ddim", dict(CASES[0], guidance=1.0)),
    ("ddim", dict(CASES[1], eta=1.0)),
    ("pndm", dict(CASES[0], steps=4)),
    ("dpmpp_2m", dict(CASES[0], steps=2)),
    ("euler_ancestral", dict(CASES[0], steps=1)),
]


def mutual_information(scheduler, kind, outputs):
    """Equation 2, its levels between the training timesteps as docs/pipelines.md says."""
    config = scheduler.config
    length = config.num_train_timesteps
    betas = numpy.linspace(config.beta_start**0.5, config.beta_end**0.5, length) ** 2
    products = numpy.cumprod(1 - betas)
    terms = []
    for index, (timestep, output) in enumerate(outputs):
        if kind == "pndm":
            runge_kutta = index < len(scheduler.prk_timesteps)
            if index % 4 != 0 if runge_kutta else config.skip_prk_steps and index == 1:
                continue
        beta = numpy.interp(timestep, numpy.arange(length), betas)
        if kind in ("euler", "euler_ancestral", "dpmpp_2m"):
            left = 1 / (1 + float(scheduler.sigmas[index]) ** 2)
        else:
            left = products[int(timestep)]
        without, with_prompt = numpy.split(output, 2)
        squares = ((with_prompt - without) ** 2).sum(axis=(1, 2, 3))
        if config.prediction_type == "v_prediction":
            squares = squares * left
        terms.append(beta * length / (2 * (1 - beta) * (1 - left)) * squares)
    return numpy.mean(terms, axis=0)


def make(pipeline, case):
    latents = []

    def remember(_pipeline, _step, _timestep, tensors):
        latents.append(tensors["latents"])
        return {}

    outputs = []
    hook = pipeline.unet.register_forward_hook(
        lambda _module, arguments, result: outputs.append((float(arguments[1]), result[0].double().numpy()))
    )
    options = dict(negative_prompt=case["negative"]) if case["negative"] else {}
    images = pipeline(
        case["prompt"],
        num_images_per_prompt=case["count"],
        generator=torch.Generator("cpu").manual_seed(case["seed"]),
        num_inference_steps=case["steps"],
        guidance_scale=case["guidance"],
        height=case["height"],
        width=case["width"],
        eta=case["eta"],
        callback_on_step_end=remember,
        **options,
    ).images
    hook.remove()
    if case["guidance"] > 1:
        scores = mutual_information(pipeline.scheduler, case["scheduler"], outputs)
        case["mi"] = [float(f"{score:.9g}") for score in scores]
    pixels = numpy.stack([numpy.asarray(image) for image in images])
    # Half precision holds every value of a byte.
    return latents[-1], torch.from_numpy(pixels).half()


def load(folder, **options):
    pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True, **options)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def main():
    models, out = Path(sys.argv[1]), Path(sys.argv[2])
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    disable_progress_bar()
    cases, tensors = [], {}
    for model in ("sd15", "sd21", "sdxl"):
        folder = models / model
        own = load(folder).scheduler.config
        for scheduler, case in [(name, case) for name in SCHEDULERS for case in CASES] + BEYOND:
            case = dict(case, model=model, scheduler=scheduler)
            if scheduler == "ddim" and model == "sdxl":
                # The file does not say how to clip, and with the default these runs are chaotic: a start that
                # differs by 1e-7 ends with another image, in diffusers alone. Stable Diffusion's pipeline never clips.
                case["clip_sample"] = False
            changed = {key: case[key] for key in ("clip_sample",) if key in case}
            pipeline = load(folder, scheduler=SCHEDULERS[scheduler].from_config(own, **changed))
            case.setdefault("eta", 0.6 if scheduler == "ddim" and case["steps"] == 50 else 0.0)
            latents, pixels = make(pipeline, case)
            if "--show" in sys.argv:
                print(model, scheduler, case["steps"], float(latents.abs().max()), pixels.float().std().item())
            tensors[f"{len(cases)}.latents"] = latents.contiguous()
            tensors[f"{len(cases)}.pixels"] = pixels.contiguous()
            cases.append(case)
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / "images.safetensors")
    with open(out / "cases.json", "w") as file:
        json.dump(dict(diffusers=__version__, torch=torch.__version__.split("+")[0], cases=cases), file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main()
