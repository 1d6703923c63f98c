"""Loads a model folder that mitune wrote as diffusers' StableDiffusionPipeline, and draws with it.

Run: python tools/check_model.py FOLDER [ORIGINAL]

Every component must load without a missing, unexpected or misshapen tensor. With ORIGINAL, a folder
that diffusers wrote, every tensor must be equal and both must draw the same pictures.
"""

import sys

import numpy
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel

PROMPTS = ["a red circle and a blue square", ""]


def check_keys(folder):
    for kind, name in [(UNet2DConditionModel, "unet"), (AutoencoderKL, "vae"), (CLIPTextModel, "text_encoder")]:
        _, info = kind.from_pretrained(folder, subfolder=name, output_loading_info=True)
        faults = {key: value for key, value in info.items() if value}
        assert not faults, f"{name}: {faults}"


def draw(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    return pipeline(PROMPTS, num_inference_steps=3, guidance_scale=3.0, generator=generator, output_type="np").images


def main():
    folder = sys.argv[1]
    check_keys(folder)
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    assert pipeline.safety_checker is None
    images = draw(pipeline)
    assert numpy.isfinite(images).all()
    print(f"loads and draws {images.shape}, mean {images.mean():.6f}")
    if len(sys.argv) > 2:
        original = StableDiffusionPipeline.from_pretrained(sys.argv[2], torch_dtype=torch.float32)
        for name in ["unet", "vae", "text_encoder"]:
            tensors = getattr(original, name).state_dict()
            written = getattr(pipeline, name).state_dict()
            assert tensors.keys() == written.keys(), name
            different = [key for key in tensors if not torch.equal(tensors[key], written[key])]
            assert not different, f"{name}: {different}"
            print(f"{name}: {len(tensors)} equal tensors")
        distance = numpy.abs(draw(original) - images).max()
        assert distance == 0, distance
        print("draws the same pictures")


if __name__ == "__main__":
    main()
