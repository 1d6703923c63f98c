"""Runs MI-TUNE's own pipeline classes on tiny models and writes what they score.

Run: python tools/parity/reference_mi.py CHECKOUT diffusion/tests/golden/models diffusion/tests/golden/reference_mi

CHECKOUT is a checkout of the reference implementation; nothing of it is written. Its file is run as it is but for the
name of the device. The classes keep the best candidate alone, so two things are listened to from outside: the scores
on their way into `argmax`, and the latents after each step.

Beside the values of the classes, the same estimator and the paper's are evaluated in float64 from the outputs of the
denoiser, with velocities brought to noise first.
"""

import json
import logging
import subprocess
import sys
import types
from pathlib import Path

import numpy
import torch
from diffusers import DDPMScheduler, __version__
from diffusers.utils.logging import disable_progress_bar
from safetensors.torch import save_file

FILE = "src/construct_finetuning_dataset/pipeline_gen_mi_1phase.py"
PROMPTS = ["a red circle and a blue square", "two cats, 3 dogs!", "a green bench and a yellow bowl"]
CANDIDATES = 8
STEPS = 100
GUIDANCE = 7.5
SEED = 42
SIZE = 16


def reference(checkout: Path) -> types.ModuleType:
    """The module of the pipeline classes, from a work tree or a bare clone."""
    if (checkout / FILE).exists():
        source = (checkout / FILE).read_text()
    else:
        source = subprocess.check_output(["git", "-C", str(checkout), "show", f"HEAD:{FILE}"], text=True)
    module = types.ModuleType("reference")
    exec(compile(source.replace("'cuda'", "'cpu'"), FILE, "exec"), module.__dict__)
    return module


class Listener:
    """Numpy for the module, remembering what goes into `argmax`."""

    def __init__(self):
        self.scores = None

    def __getattr__(self, name):
        return getattr(numpy, name)

    def argmax(self, values):
        self.scores = numpy.array(values)
        return numpy.argmax(values)


def estimates(scheduler, outputs):
    """Both estimators in float64; `outputs` holds timestep, unconditional and conditional outputs of each step."""
    config = scheduler.config
    betas = numpy.linspace(config.beta_start**0.5, config.beta_end**0.5, config.num_train_timesteps) ** 2
    left = numpy.cumprod(1 - betas)
    reference, paper = [], []
    for timestep, unconditional, conditional in outputs:
        difference = conditional.double().numpy() - unconditional.double().numpy()
        squares = (difference**2).sum(axis=(1, 2, 3))
        if config.prediction_type == "v_prediction":
            squares = squares * left[timestep]
        weight = betas[timestep] * len(betas) / (2 * (1 - left[timestep]))
        paper.append(weight / (1 - betas[timestep]) * squares)
        if timestep > 50:
            reference.append(weight * squares)
    return numpy.mean(reference, axis=0), numpy.mean(paper, axis=0)


@torch.no_grad()
def run(module, folder: Path, tensors: dict) -> dict:
    scheduler = DDPMScheduler.from_pretrained(folder / "scheduler")
    large = (folder / "text_encoder_2").exists()
    kind = module.MISelectionXLPipeline if large else module.MISelectionPipeline
    pipeline = kind.from_pretrained(folder, scheduler=scheduler, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.mi_weight_init()
    module.np = Listener()
    prompts = []
    for number, prompt in enumerate(PROMPTS):
        outputs, latents = [], []
        hook = pipeline.unet.register_forward_hook(
            lambda _module, arguments, result: outputs.append((int(arguments[1]), *result[0].chunk(2)))
        )

        def remember(_pipeline, _step, _timestep, found):
            latents.append(found["latents"])
            return {}

        _, _, best, _ = pipeline(
            prompt=prompt,
            num_images_per_prompt=CANDIDATES,
            num_inference_steps=STEPS,
            generator=torch.Generator("cpu").manual_seed(SEED),
            guidance_scale=GUIDANCE,
            height=SIZE,
            width=SIZE,
            output_type="latent",
            callback_on_step_end=remember,
            return_dict=False,
        )
        hook.remove()
        scores = module.np.scores
        assert torch.equal(best[0], latents[-1][int(scores.argmax())])
        noise, paper = estimates(scheduler, outputs)
        tensors[f"{folder.name}.{number}"] = latents[-1].contiguous()
        prompts.append(
            dict(
                prompt=prompt,
                reference=[float(score) for score in scores],
                reference_of_noise=[float(f"{score:.12g}") for score in noise],
                paper=[float(f"{score:.12g}") for score in paper],
                best=int(scores.argmax()),
            )
        )
    return dict(model=folder.name, prompts=prompts)


def main():
    checkout, models, out = (Path(argument) for argument in sys.argv[1:4])
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    disable_progress_bar()
    module = reference(checkout)
    tensors = {}
    found = [run(module, models / name, tensors) for name in ("sd15", "sd21", "sdxl")]
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / "latents.safetensors")
    versions = dict(diffusers=__version__, torch=torch.__version__.split("+")[0])
    settings = dict(steps=STEPS, guidance=GUIDANCE, seed=SEED, size=SIZE)
    with open(out / "scores.json", "w") as file:
        json.dump(dict(versions, **settings, models=found), file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main()
