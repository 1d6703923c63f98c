"""Writes runs of the tiny denoisers of export_unet.py with Attend-and-Excite, Structured Diffusion Guidance and S-CFG.

Usage: OMP_NUM_THREADS=1 python tools/goldens/export_guidance.py [file]
The file is diffusion/tests/golden/guidance.safetensors by default. Everything is computed in f64 and stored as f32;
what a step begins with is rounded to f32 first, so that it can be repeated from what is stored. The methods are written from their papers and the behaviour of their authors' code:
attention probabilities are recorded by a processor, gradients are autograd's, smoothing is a convolution, and each
latent of a batch is steered in a run of its own. Steps are those of DDIM.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from export_attention_maps import load

FILE = Path(__file__).resolve().parents[2] / "diffusion/tests/golden/guidance.safetensors"
# Height and width of the latents.
SIZE = (4, 6)
BATCH = 2
TOKENS = 7
STEPS = 5
GUIDANCE = 3.0
# Of Attend-and-Excite: subjects, the end token, the resolution, and settings.
SUBJECTS, END = [2, 4], 6
ATTENDED = (2, 3)
STEP_SIZE, RANGE, GUIDED = 6.0, (1.0, 0.5), 3
THRESHOLDS = {0: 0.3, 2: 0.16}
REFINEMENTS = 4
# Small hidden states, so that no token has all the attention.
SPREAD = 0.25
# Of structured guidance: where two phrases stand.
PHRASES = [(1, 3), (3, 6)]
TIMESTEP = 371.0


class Processor:
    """Attends with explicit probabilities and keeps them; several keys or values make several outputs and their mean."""

    def __init__(self, name: str, maps: dict, keys: list | None, values: list | None) -> None:
        self.name, self.maps, self.keys, self.values = name, maps, keys, values

    def __call__(self, attention, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, **_):
        is_cross = encoder_hidden_states is not None
        context = encoder_hidden_states if is_cross else hidden_states
        heads = attention.head_to_batch_dim
        query = heads(attention.to_q(hidden_states))
        outputs = []
        for key_tokens in self.keys if is_cross and self.keys else [context]:
            probabilities = attention.get_attention_scores(query, heads(attention.to_k(key_tokens)), attention_mask)
            self.maps[self.name] = probabilities.unflatten(0, (-1, attention.heads))
            for value_tokens in self.values if is_cross and self.values else [context]:
                outputs.append(probabilities @ heads(attention.to_v(value_tokens)))
        gathered = attention.batch_to_head_dim(sum(outputs) / len(outputs))
        return attention.to_out[1](attention.to_out[0](gathered))


def ask(model, latents, timestep, context, keys=None, values=None) -> tuple[torch.Tensor, dict]:
    """The prediction, and the map of every layer under its name, [batch, heads, positions, tokens]."""
    maps = {}
    names = {name: name.removesuffix(".processor") for name in model.attn_processors}
    model.set_attn_processor({name: Processor(layer, maps, keys, values) for name, layer in names.items()})
    timesteps = torch.full((latents.shape[0],), float(timestep), dtype=torch.float64)
    return model(latents, timesteps, context).sample, maps


def steps() -> list[tuple[int, float, float]]:
    """Timestep, alpha-bar there and alpha-bar at the next one, for each step of DDIM."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    left = np.cumprod(1.0 - betas)
    stride = 1000 // STEPS
    timesteps = [stride * index + 1 for index in reversed(range(STEPS))]
    return [(t, left[t], left[max(t - stride, 0)]) for t in timesteps]


def ddim(latents, noise, now, then) -> torch.Tensor:
    original = (latents - (1.0 - now) ** 0.5 * noise) / now**0.5
    return then**0.5 * original + (1.0 - then) ** 0.5 * noise


def rounded(latents) -> torch.Tensor:
    return latents.float().double()


def smooth(images: torch.Tensor) -> torch.Tensor:
    """Smooths [n, height, width] by the kernel of Attend-and-Excite's code at sigma = 0.5."""
    places = torch.arange(3, dtype=torch.float64)
    row = torch.exp(-(((places - 1.0) / (2 * 0.5)) ** 2))
    kernel = row[:, None] * row[None, :]
    kernel = (kernel / kernel.sum())[None, None]
    padded = F.pad(images[:, None], (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, kernel)[:, 0]


def guided(model, latents, timestep, prompt, empty) -> torch.Tensor:
    without, _ = ask(model, latents, timestep, empty)
    with_prompt, _ = ask(model, latents, timestep, prompt)
    return without + GUIDANCE * (with_prompt - without)


def neglect(maps: dict, height: int, width: int) -> torch.Tensor:
    """What the subject with the least attention lacks."""
    rows = [m[0] for name, m in maps.items() if name.endswith("attn2") and m.shape[2] == height * width]
    attention = torch.cat(rows).mean(0)
    shared = torch.softmax(100 * attention[:, 1:END], dim=-1)
    images = torch.stack([shared[:, token - 1].reshape(height, width) for token in SUBJECTS])
    lacking = [1.0 - image.max() for image in smooth(images)]
    return max(lacking)


def attend_and_excite(model, latents, prompt, empty) -> dict:
    """One latent: what is steered in each step, and where the run ends."""
    kept = {}

    def look(latents, timestep):
        leaf = latents.detach().requires_grad_(True)
        _, maps = ask(model, leaf, timestep, prompt)
        return leaf, neglect(maps, *ATTENDED)

    def move(leaf, loss, size):
        if loss <= 0:
            return leaf.detach()
        return (leaf - size * torch.autograd.grad(loss, [leaf])[0]).detach()

    said = []
    for index, (timestep, now, then) in enumerate(steps()):
        size = STEP_SIZE * np.sqrt(np.linspace(*RANGE, STEPS)[index])
        kept[f"latents.{index}"] = latents
        leaf, loss = look(latents, timestep)
        said.append(f"{loss.item():.3f}")
        target = 1.0 - THRESHOLDS.get(index, 0.0)
        if index in THRESHOLDS and loss > target:
            repeated, last = 0, loss
            while last > target:
                repeated += 1
                leaf, last = look(latents, timestep)
                latents = move(leaf, last, size)
                if repeated >= REFINEMENTS:
                    break
            leaf, loss = look(latents, timestep)
            said[-1] += f" ({repeated}: {loss.item():.3f})"
        latents = move(leaf, loss, size) if index < GUIDED else leaf.detach()
        kept[f"steered.{index}"] = latents
        with torch.no_grad():
            latents = rounded(ddim(latents, guided(model, latents, timestep, prompt, empty), now, then))
    print("  losses", ", ".join(said))
    return kept | {f"latents.{STEPS}": latents}


def rates(maps_without: dict, maps_with: dict, difference, paper: bool) -> torch.Tensor:
    """The factor of the guidance scale at each position, [batch, 1, height, width], at ratios 1 and 2."""
    height, width = SIZE
    sums, foregrounds, count = 0, 0, 0
    for ratio in (1, 2):
        size = (height // ratio, width // ratio)
        for name in maps_with:
            positions = maps_with[name].shape[2]
            if not name.endswith("attn1") or positions != size[0] * size[1]:
                continue
            both = [torch.cat([m[layer] for m in (maps_without, maps_with)]).mean(1)
                    for layer in (name, name.removesuffix("attn1") + "attn2")]
            own, cross = both
            if paper:
                own = sum(torch.linalg.matrix_power(own, power) for power in range(1, 5)) / 4
            else:
                own = (own + 3 * own @ own) / 4
            images = (own @ cross).transpose(1, 2).unflatten(2, size)
            if ratio > 1:
                images = F.interpolate(images, scale_factor=ratio, mode="bilinear")
            images = smooth(images.flatten(0, 1)).unflatten(0, images.shape[:2])
            start_rest = torch.stack([images[:, 0], images[:, 1:].sum(1)], 1)
            sums = sums + images / (images.mean((2, 3), keepdim=True) + 1e-8)
            foregrounds = foregrounds + start_rest / start_rest.mean((2, 3), keepdim=True)
            count += 1
    assert count > 2
    tokens, starts = (sums / count)[BATCH:], (foregrounds / count)[:BATCH]
    masks = (tokens == tokens.max(1, keepdim=True).values).double()
    foreground = 1.0 - (starts == starts.max(1, keepdim=True).values).double()[:, :1]
    ordered = tokens.sort(1, descending=True).values
    margins = [ordered[:, 0] - ordered[:, 1], (starts[:, 0] - starts[:, 1]).abs()]
    print("  smallest margins", [f"{margin.min().item():.1e}" for margin in margins])
    lengths = difference.norm(dim=1, keepdim=True)
    mean = lambda mask: (lengths * mask).sum((2, 3)) / (mask.sum((2, 3)) + 1e-8)
    rate = mean(foreground) * (masks.sum((2, 3)) > 0) / (mean(masks) + 1e-8)
    rate = (rate[:, :, None, None] * masks).sum(1, keepdim=True)
    print("  rates", sorted({round(value.item(), 2) for value in rate.flatten()}))
    rate = rate.clamp(0.8, 3.0).clamp_max(15.0 / GUIDANCE)
    return smooth(rate[:, 0])[:, None]


def semantic_aware(model, latents, prompt, empty, paper: bool) -> dict:
    kept = {}
    for index, (timestep, now, then) in enumerate(steps()):
        without, maps_without = ask(model, latents, timestep, empty)
        with_prompt, maps_with = ask(model, latents, timestep, prompt)
        difference = with_prompt - without
        noise = without + GUIDANCE * rates(maps_without, maps_with, difference, paper) * difference
        kept |= {f"latents.{index}": latents, f"noise.{index}": noise}
        latents = rounded(ddim(latents, noise, now, then))
    return kept | {f"latents.{STEPS}": latents}


def aligned(states, phrases) -> list:
    """Copies of the prompt's states, each with the tokens of one phrase replaced."""
    copies = []
    for (start, end), phrase in zip(PHRASES, phrases):
        copy = states.clone()
        copy[:, start:end] = phrase[:, 1 : 1 + end - start]
        copies.append(copy)
    return copies


def structured(model, latents, prompt, phrases) -> dict:
    copies = aligned(prompt, phrases)
    replaced = prompt.clone()
    for (start, end), phrase in zip(PHRASES, phrases):
        replaced[:, start:end] = phrase[:, 1 : 1 + end - start]
    say = lambda keys, values: ask(model, latents, TIMESTEP, prompt, keys, values)[0]
    return {
        "averaged_values": say([prompt], [prompt, *copies]),
        "conjunction_paper": say([prompt, *copies], [replaced]),
        "conjunction_reference": say([replaced, *copies], [replaced]),
    }


def export(name: str) -> dict:
    print(name)
    generator = torch.Generator().manual_seed(3 + sum(map(ord, name)))
    model = load(name)
    normal = lambda *shape: rounded(torch.randn(*shape, generator=generator))
    width = model.config.cross_attention_dim
    sample = normal(BATCH, model.config.in_channels, *SIZE)
    prompt, *phrases = [rounded(SPREAD * normal(BATCH, TOKENS, width)) for _ in range(1 + len(PHRASES))]
    empty = rounded(SPREAD * normal(1, TOKENS, width))
    tensors = {"sample": sample, "prompt": prompt, "empty": empty}
    tensors |= {f"phrase.{index}": phrase for index, phrase in enumerate(phrases)}
    with torch.no_grad():
        parts = structured(model, sample, prompt, phrases)
        tensors |= {f"structured.{key}": value for key, value in parts.items()}
    if name == "three_levels":
        return finished(name, tensors)
    runs = [attend_and_excite(model, sample[row : row + 1], prompt[row : row + 1], empty) for row in range(BATCH)]
    tensors |= {f"attend_and_excite.{key}": torch.cat([run[key] for run in runs]) for key in runs[0]}
    if name == "sd2":
        with torch.no_grad():
            empties = empty.repeat(BATCH, 1, 1)
            for key, paper in (("paper", True), ("reference", False)):
                run = semantic_aware(model, sample, prompt, empties, paper)
                tensors |= {f"semantic_aware.{key}.{step}": value for step, value in run.items()}
    return finished(name, tensors)


def finished(name: str, tensors: dict) -> dict:
    return {f"{name}/{key}": tensor.detach().float().contiguous().clone() for key, tensor in tensors.items()}


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    torch.use_deterministic_algorithms(True)
    tensors = {}
    for name in ("sd1", "sd2", "three_levels"):
        tensors |= export(name)
    save_file(tensors, file)
    print(f"{file.name} {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
