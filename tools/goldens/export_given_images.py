"""Writes scores of given images, evaluated with the tiny pipelines of diffusers and NumPy in float64.

Run: python tools/goldens/export_given_images.py diffusion/tests/golden/models diffusion/tests/golden/given_images.json

Networks run in float32; the noise is that of mitune, from an independent BLAKE3.
"""

import json
import logging
import sys
from pathlib import Path

import numpy
import torch
from diffusers import DiffusionPipeline, __version__

from export_noise import derive, draw

PROMPTS = ["a red circle", "two cats, 3 dogs!"]
IMAGES = 2
HEIGHT, WIDTH = 16, 24
TIMESTEPS = [400, 500, 600, 700, 800]
NOISES = 2
SEED = 42


def image(number):
    """Values from a formula that the test repeats."""
    y, x, c = numpy.meshgrid(numpy.arange(HEIGHT), numpy.arange(WIDTH), numpy.arange(3), indexing="ij")
    pixels = (x * 7 + y * 13 + c * 50 + x * y * (number + 1)) % 256
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


@torch.no_grad()
def scores(pipeline, latent, prompt):
    config = pipeline.scheduler.config
    betas = numpy.linspace(config.beta_start**0.5, config.beta_end**0.5, config.num_train_timesteps) ** 2
    left = numpy.cumprod(1 - betas)
    encoded = pipeline.encode_prompt(prompt, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=True)
    contexts, added = torch.cat([encoded[1], encoded[0]]), None
    if len(encoded) == 4:
        sizes = torch.tensor([[HEIGHT, WIDTH, 0, 0, HEIGHT, WIDTH]] * 2, dtype=torch.float32)
        added = dict(text_embeds=torch.cat([encoded[3], encoded[2]]), time_ids=sizes)
    key = derive(b"mitune prompt text v1", prompt.encode(), 1)[:32]
    clean = latent.double().numpy().flatten()
    found = {"paper": [], "reference": []}
    norms = []
    for timestep in TIMESTEPS:
        now = left[timestep]
        for index in range(NOISES):
            noise = numpy.array(draw(b"mitune forward noise v1", SEED, key, index, timestep, clean.size))
            noisy = now**0.5 * clean + (1 - now) ** 0.5 * noise
            seen = torch.from_numpy(noisy).float().reshape(latent.shape).repeat(2, 1, 1, 1)
            outputs = pipeline.unet(seen, timestep, contexts, added_cond_kwargs=added).sample.double().numpy()
            without, with_prompt = outputs.reshape(2, -1)
            if config.prediction_type == "v_prediction":
                without, with_prompt = (
                    now**0.5 * output + (1 - now) ** 0.5 * noisy for output in (without, with_prompt)
                )
            square = lambda values: float((values**2).sum())
            c, u, difference = square(noise - with_prompt), square(noise - without), square(with_prompt - without)
            weight = betas[timestep] * len(betas) / (2 * (1 - now))
            for mode, kappa in (("reference", weight), ("paper", weight / (1 - betas[timestep]))):
                found[mode].append((kappa * difference, kappa * (u - c)))
            norms.append((c**0.5, u**0.5))
    means = {mode: numpy.mean(values, axis=0) for mode, values in found.items()}
    conditional, unconditional = numpy.mean(norms, axis=0)
    return dict(
        prompt=prompt,
        mi_paper=means["paper"][0],
        mi_reference=means["reference"][0],
        mi_signed_paper=means["paper"][1],
        itm=-conditional,
        itm_normalised=unconditional - conditional,
    )


@torch.no_grad()
def main():
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    models = []
    for name in ("sd15", "sd21", "sdxl"):
        pipeline = DiffusionPipeline.from_pretrained(Path(sys.argv[1]) / name, local_files_only=True)
        rows = []
        for number in range(IMAGES):
            latent = pipeline.vae.encode(image(number)).latent_dist.mean * pipeline.vae.config.scaling_factor
            rows += [dict(scores(pipeline, latent, prompt), image=number) for prompt in PROMPTS]
        models.append(dict(model=name, rows=rows))
    with open(sys.argv[2], "w") as file:
        versions = dict(diffusers=__version__, torch=torch.__version__.split("+")[0])
        json.dump(dict(versions, models=models), file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main()
