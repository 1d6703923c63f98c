"""Makes images with diffusers and with `mitune generate --rng torch` and compares their pixels.

Run: python tools/parity/images.py MODEL [--mitune target/release/mitune] [--schedulers ddpm,euler] [--count 2]
         [--steps 20] [--guidance 7.5] [--seed 0] [--height H] [--width W] [--dtype f32] [--prompt TEXT] [--negative TEXT]

One line of JSON for each scheduler: the largest and mean difference of a pixel's value, of 255. Exits with 1 where f32
differs by more than 2.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
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
from PIL import Image

SCHEDULERS = dict(
    ddpm=DDPMScheduler,
    ddim=DDIMScheduler,
    euler=EulerDiscreteScheduler,
    euler_ancestral=EulerAncestralDiscreteScheduler,
    pndm=PNDMScheduler,
    dpmpp_2m=DPMSolverMultistepScheduler,
)
DTYPES = dict(f32=torch.float32, f16=torch.float16, bf16=torch.bfloat16)
LIMIT = 2


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--mitune", default="target/release/mitune")
    parser.add_argument("--schedulers", default=",".join(SCHEDULERS))
    parser.add_argument("--prompt", default="a red circle and a blue square")
    parser.add_argument("--negative", default="")
    parser.add_argument("--count", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=7.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--height", type=int)
    parser.add_argument("--width", type=int)
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    return parser.parse_args()


def of_diffusers(plan, scheduler):
    options = dict(torch_dtype=DTYPES[plan.dtype], local_files_only=True)
    own = DiffusionPipeline.from_pretrained(plan.model, **options).scheduler.config
    pipeline = DiffusionPipeline.from_pretrained(
        plan.model, scheduler=SCHEDULERS[scheduler].from_config(own), **options
    )
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(
        plan.prompt,
        num_images_per_prompt=plan.count,
        generator=torch.Generator("cpu").manual_seed(plan.seed),
        num_inference_steps=plan.steps,
        guidance_scale=plan.guidance,
        height=plan.height,
        width=plan.width,
        **(dict(negative_prompt=plan.negative) if plan.negative else {}),
    ).images
    return [numpy.asarray(image).astype(int) for image in images]


def of_mitune(plan, scheduler, folder):
    command = [plan.mitune, "generate", "--model", plan.model, "--prompt", plan.prompt, "--negative", plan.negative]
    command += ["-n", plan.count, "--rng", "torch", "--seed", plan.seed, "--scheduler", scheduler]
    command += ["--steps", plan.steps, "--guidance", plan.guidance, "--dtype", plan.dtype, "--device", "cpu"]
    for side in ("height", "width"):
        if getattr(plan, side):
            command += [f"--{side}", getattr(plan, side)]
    command += ["--out", folder]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    return [numpy.asarray(Image.open(folder / f"{i:04}.png")).astype(int) for i in range(plan.count)]


def main():
    plan = arguments()
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    disable_progress_bar()
    worst = 0
    for scheduler in plan.schedulers.split(","):
        with tempfile.TemporaryDirectory() as folder:
            pairs = zip(of_mitune(plan, scheduler, Path(folder) / "out"), of_diffusers(plan, scheduler))
            differences = numpy.stack([abs(found - expected) for found, expected in pairs])
        worst = max(worst, int(differences.max()))
        print(
            json.dumps(
                dict(
                    model=plan.model.name,
                    scheduler=scheduler,
                    dtype=plan.dtype,
                    diffusers=__version__,
                    images=len(differences),
                    largest=int(differences.max()),
                    mean=round(float(differences.mean()), 4),
                )
            ),
            flush=True,
        )
    sys.exit(1 if plan.dtype == "f32" and worst > LIMIT else 0)


if __name__ == "__main__":
    main()
