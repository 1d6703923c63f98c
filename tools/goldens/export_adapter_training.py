"""Writes golden files of whole trainings of adapters on tiny denoisers: PyTorch, PEFT and diffusers are the references.

Run: python tools/goldens/export_adapter_training.py diffusion/tests/golden/models diffusion/tests/golden/adapter_training

Ten updates of two micro-batches each, as diffusers' scripts for LoRA make them. Start values, latents, noise and
prompts are those of `seeded.py`, so a file holds timesteps and results only: losses of all micro-batches, norms before
clipping, the gradient of the first update, and how far every parameter moved in all.

Results are those of f64, so that they have no rounding of their own: AdamW divides by the root of the squared gradient,
which turns the rounding of a gradient near zero into a step of any size. `pytorch_f32` says how far PyTorch's own
training in f32 is from the one in f64, as relative L2 of the way of all parameters.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import save_file

from seeded import inputs, values

UPDATES, ACCUMULATED, BATCH = 10, 2, 2
RANK, ALPHA, SEED = 2, 3.0, 40
TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"]
RANGES = {"paper": (500, 1000), "reference": (0, 1000), "convolutions": (0, 1000)}
CASES = {"sd15": ["paper", "reference", "convolutions"], "sd21": ["paper", "reference"], "sdxl": ["paper"]}
CONVOLUTIONS = ["conv1", "proj_in", "conv_shortcut", "downsamplers.0.conv"]
PREDICTIONS = {"sd15": "epsilon", "sd21": "v_prediction", "sdxl": "epsilon"}
RATE = 1e-3
# Some norms are above, some below.
CLIP = {"sd15": 0.35, "sd21": 0.15, "sdxl": 0.35}


def adapted(folder: Path, dora: bool, targets: list[str] = TARGETS) -> UNet2DConditionModel:
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").requires_grad_(False)
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets, use_dora=dora))
    with torch.no_grad():
        for name, parameter in trainable(unet):
            # Magnitudes of convolutions have the shape [1, outputs, 1, 1].
            shape = (parameter.numel(),) if "magnitude" in name else tuple(parameter.shape)
            drawn = values(SEED, name, shape).reshape(parameter.shape)
            parameter.copy_(drawn * 0.25 if "lora_B" in name else drawn)
    return unet


def trainable(unet):
    """Adapter parameters under names without PEFT's own parts, in the order of these names."""
    renamed = {
        name.replace(".default", ""): parameter for name, parameter in unet.named_parameters() if parameter.requires_grad
    }
    return sorted(renamed.items())


def trained(folder: Path, dora: bool, timesteps: torch.Tensor) -> UNet2DConditionModel:
    unet = adapted(folder, dora)
    train(unet, folder, timesteps)
    return unet


def train(unet: UNet2DConditionModel, folder: Path, timesteps: torch.Tensor):
    prediction = PREDICTIONS[folder.name]
    scheduler = DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction
    )
    parameters = [parameter for _, parameter in trainable(unet)]
    start = flat(parameters)
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, foreach=False)
    losses, norms, first = [], [], None
    for update in range(UPDATES):
        optimizer.zero_grad()
        for micro_batch in range(ACCUMULATED):
            at = update * ACCUMULATED + micro_batch
            given = lambda name, shape: inputs(SEED, f"{name} {at}", shape).to(unet.dtype)  # noqa: B023, E731
            latents, noise = given("latents", (BATCH, 4, 8, 8)), given("noise", (BATCH, 4, 8, 8))
            context = given("context", (BATCH, 7, unet.config.cross_attention_dim))
            added = None
            if folder.name == "sdxl":
                time_ids = torch.tensor([[16.0, 16.0, 0.0, 0.0, 16.0, 16.0]]).repeat(BATCH, 1)
                added = dict(text_embeds=given("pooled", (BATCH, 20)), time_ids=time_ids)
            times = timesteps[at]
            noisy = scheduler.add_noise(latents, noise, times)
            target = noise if prediction == "epsilon" else scheduler.get_velocity(latents, noise, times)
            output = unet(noisy, times, context, added_cond_kwargs=added).sample
            loss = F.mse_loss(output, target, reduction="mean")
            (loss / ACCUMULATED).backward()
            losses.append(loss.detach())
        if first is None:
            first = flat([parameter.grad for parameter in parameters])
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, CLIP[folder.name]).detach())
        optimizer.step()
    return {
        "losses": torch.stack(losses),
        "norms": torch.stack(norms),
        "first_gradient": first,
        "moved": flat(parameters) - start,
    }


def flat(tensors) -> torch.Tensor:
    return torch.cat([tensor.detach().clone().flatten() for tensor in tensors])


if __name__ == "__main__":
    torch.set_num_threads(1)
    models, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(20260101)
    for model in PREDICTIONS:
        tensors = {}
        for name in CASES[model]:
            (low, high), targets = RANGES[name], TARGETS + CONVOLUTIONS * (name == "convolutions")
            drawn = torch.randint(low, high, (UPDATES * ACCUMULATED, BATCH), generator=generator)
            tensors[f"{name}.timesteps"] = drawn.int()
            for dora in [False, True]:
                narrow = train(adapted(models / model, dora, targets), models / model, drawn)
                found = train(adapted(models / model, dora, targets).double(), models / model, drawn)
                error = {key: (narrow[key] - found[key]).norm() / found[key].norm() for key in found}
                found["pytorch_f32"] = error["moved"][None]
                case = f"{name}.{'dora' if dora else 'lora'}"
                tensors |= {f"{case}.{key}": value.float().contiguous() for key, value in found.items()}
                print(model, case, {key: f"{value.item():.1e}" for key, value in error.items()})
        save_file(tensors, out / f"{model}.safetensors")
