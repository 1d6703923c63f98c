"""Loads a model folder that mitune wrote as a diffusers pipeline, and draws with it.

Run: python tools/check_model.py FOLDER [ORIGINAL]

Every component must load without a missing, unexpected or misshapen tensor. With ORIGINAL, a folder
that diffusers wrote, every tensor must be equal and both must draw the same pictures with the scheduler of FOLDER.
"""

import sys

import numpy
import torch
from diffusers import DiffusionPipeline

PROMPTS = ["a red circle and a blue square", ""]


def parts(pipeline):
    return [name for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)]


def check_keys(folder, pipeline):
    for name in parts(pipeline):
        kind = type(getattr(pipeline, name))
        _, info = kind.from_pretrained(folder, subfolder=name, output_loading_info=True)
        faults = {key: value for key, value in info.items() if value}
        assert not faults, f"{name}: {faults}"


def draw(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    # Tiny pictures of XL are smaller than the watermark that some installations add.
    pipeline.watermark = None
    return pipeline(PROMPTS, num_inference_steps=3, guidance_scale=3.0, generator=generator, output_type="np").images


def main():
    folder = sys.argv[1]
    pipeline = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    check_keys(folder, pipeline)
    images = draw(pipeline)
    assert numpy.isfinite(images).all()
    print(f"loads and draws {images.shape}, mean {images.mean():.6f}")
    if len(sys.argv) > 2:
        original = DiffusionPipeline.from_pretrained(sys.argv[2], torch_dtype=torch.float32)
        assert parts(original) == parts(pipeline)
        for name in parts(original):
            tensors = getattr(original, name).state_dict()
            written = getattr(pipeline, name).state_dict()
            assert tensors.keys() == written.keys(), name
            different = [key for key in tensors if not torch.equal(tensors[key], written[key])]
            assert not different, f"{name}: {different}"
            print(f"{name}: {len(tensors)} equal tensors")
        original.scheduler = pipeline.scheduler
        distance = numpy.abs(draw(original) - images).max()
        assert distance == 0, distance
        print("draws the same pictures")


if __name__ == "__main__":
    main()
