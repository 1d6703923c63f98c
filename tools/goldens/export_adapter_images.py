"""Trains adapters of tiny models with PEFT, writes them in every form, and writes the images that diffusers draws with them.

Run: python tools/goldens/export_adapter_images.py diffusion/tests/golden/models diffusion/tests/golden/adapter_images

Files named `mitune_*.safetensors` in the output folder were trained by mitune (`tools/parity/adapters.py`); they are
kept, and diffusers draws with them too.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline
from diffusers.training_utils import _collate_lora_metadata
from diffusers.utils import convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from peft import LoraConfig, PeftModel
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

import export_adapter_training as training
from seeded import values

MODELS = ["sd15", "sd21", "sdxl"]
PROMPT, STEPS, GUIDANCE, SEED, SIZE = "a red circle and a blue square", 4, 3.0, 0, 16


def draw(model: Path, adapter: Path | None, scale: float = 1.0) -> torch.Tensor:
    """One image of the prompt, `[height, width, 3]` in 0..255."""
    pipeline = DiffusionPipeline.from_pretrained(model)
    pipeline.set_progress_bar_config(disable=True)
    if adapter is not None and adapter.is_dir():
        PeftModel.from_pretrained(pipeline.unet, adapter)  # adapts the layers in place
    elif adapter is not None:
        pipeline.load_lora_weights(adapter.parent, weight_name=adapter.name, adapter_name="given")
        pipeline.set_adapters(["given"], [scale])
    images = pipeline(
        PROMPT,
        height=SIZE,
        width=SIZE,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=torch.Generator("cpu").manual_seed(SEED),
        output_type="np",
    ).images
    return torch.from_numpy(np.ascontiguousarray(np.rint(images[0] * 255).astype(np.uint8)))


def write(unet, folder: Path, name: str, dora: bool) -> None:
    state = get_peft_model_state_dict(unet)
    StableDiffusionPipeline.save_lora_weights(
        folder,
        unet_lora_layers=convert_state_dict_to_diffusers(state),
        weight_name=f"peft_{name}.safetensors",
        **_collate_lora_metadata({"unet": unet}),
    )
    kohya = {}
    for key, value in state.items():
        layer, part = key.split(".lora_", 1)
        start = f"lora_unet_{layer.replace('.', '_')}"
        if part.startswith("magnitude_vector"):
            kohya[f"{start}.dora_scale"] = value[:, None].contiguous()
        else:
            kohya[f"{start}.lora_{'down' if part[0] == 'A' else 'up'}.weight"] = value.contiguous()
        kohya[f"{start}.alpha"] = torch.tensor(training.ALPHA)
    if not dora:
        theirs = convert_state_dict_to_kohya({f"unet.{key}": value for key, value in state.items()})
        assert set(theirs) == set(kohya)
    save_file(kohya, folder / f"kohya_{name}.safetensors")


def write_with_text_encoders(model: Path, folder: Path) -> list[Path]:
    """An adapter of the denoiser and of every text encoder with seeded values, by diffusers and in kohya's form."""
    pipeline = DiffusionPipeline.from_pretrained(model)
    encoders = {"text_encoder": "lora_te_"}
    if model.name == "sdxl":
        encoders = {"text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
    states, kohya, metadata = {}, {}, {}
    for component, prefix in {"unet": "lora_unet_", **encoders}.items():
        module = getattr(pipeline, component)
        targets = ["to_q", "to_v"] if component == "unet" else ["q_proj", "v_proj", "out_proj", "fc1", "fc2"]
        config = LoraConfig(r=2, lora_alpha=training.ALPHA, target_modules=targets)
        module.add_adapter(config)
        metadata[component] = module
        state = get_peft_model_state_dict(module)
        state = {key: values(SEED, f"{component}.{key}", tuple(value.shape)) for key, value in state.items()}
        state = {key: value * 0.25 if "lora_B" in key else value for key, value in state.items()}
        states[component] = convert_state_dict_to_diffusers(state)
        for key, value in state.items():
            layer, part = key.split(".lora_", 1)
            # Published files have a `text_model.` that transformers 5 leaves out.
            layer = layer if component == "unet" or layer.startswith("text_model.") else f"text_model.{layer}"
            start = prefix + layer.replace(".", "_")
            kohya[f"{start}.lora_{'down' if part[0] == 'A' else 'up'}.weight"] = value
            kohya[f"{start}.alpha"] = torch.tensor(training.ALPHA)
    layers = {f"{component}_lora_layers": state for component, state in states.items()}
    name = f"text_{model.name}.safetensors"
    type(pipeline).save_lora_weights(folder, weight_name=name, **layers, **_collate_lora_metadata(metadata))
    save_file(kohya, folder / f"kohya_{name}")
    return [folder / name, folder / f"kohya_{name}"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    models, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    images = {}
    generator = torch.Generator().manual_seed(7)
    for model in MODELS:
        images[f"base_{model}"] = draw(models / model, None)
        for method in ["lora", "dora"]:
            name = f"{model}_{method}"
            if not (out / f"peft_{name}.safetensors").exists():
                shape = (training.UPDATES * training.ACCUMULATED, training.BATCH)
                timesteps = torch.randint(0, 1000, shape, generator=generator)
                unet = training.trained(models / model, method == "dora", timesteps)
                write(unet, out, name, method == "dora")
            for origin in ["peft", "mitune"]:
                file = out / f"{origin}_{name}.safetensors"
                if file.exists():
                    images[f"{origin}_{name}"] = draw(models / model, file)
                    images[f"{origin}_{name}:0.5"] = draw(models / model, file, 0.5)
            # diffusers leaves `dora_scale` out, so only LoRA in kohya's form can be drawn.
            if method == "lora":
                same = draw(models / model, out / f"kohya_{name}.safetensors")
                assert torch.equal(same, images[f"peft_{name}"])
            changed = (images[f"peft_{name}"].int() - images[f"base_{model}"].int()).abs().max().item()
            print(name, "changes the image by up to", changed)
    for model in ["sd15", "sdxl"]:
        for file in write_with_text_encoders(models / model, out):
            images[file.stem] = draw(models / model, file)
            images[f"{file.stem}:0.5"] = draw(models / model, file, 0.5)
        difference = images[f"text_{model}"].int() - images[f"kohya_text_{model}"].int()
        print(model, "with text encoders, one form and the other:", difference.abs().max().item())
    save_file(images, out / "images.safetensors")
