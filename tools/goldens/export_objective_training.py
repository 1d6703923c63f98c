"""Writes golden files of whole trainings on every objective, on tiny denoisers: PyTorch, PEFT and transformers are the
references.

Run: python export_objective_training.py ../../diffusion/tests/golden/models ../../diffusion/tests/golden/objective_training

Ten updates of one batch of two pairs each. Start values, latents, noise, prompts and features are those of `seeded.py`,
so a file holds timesteps and results only: losses, norms before clipping, and how far the parameters moved in all. Of
trainings of all weights every `STRIDE`-th number of the way is kept, of the weights side by side in the order of their
names.

`with_text_encoder` are trainings of Stable Diffusion 1.5 on the rewards of GORS in which attention layers of the text
encoder are adapted too and learn at twice the rate, from token ids that the file holds.

Results are those of f64, as in `export_adapter_training.py`, which says why. `pytorch_f32` says how far PyTorch's own
training in f32 is from the one in f64, as relative L2 of what is kept of the way.
"""

import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import save_file
from transformers import CLIPTextModel
from transformers.optimization import Adafactor

from export_adapter_training import ALPHA, RANK, adapted, flat, trainable
from export_adapter_training import SEED as START_SEED
from seeded import inputs, text_name, values

SEED, UPDATES, BATCH, STRIDE = 44, 10, 2, 23
REWARDS = torch.tensor([0.95, 0.4])
RATE = 1e-3
# Some norms are above, some below.
CLIP = {
    "dpo.lora": 8.0,
    "dpo.dora": 8.0,
    "gors.lora": 0.3,
    "hn_itm.lora": 0.5,
    "f_dpo.lora": 6.0,
    "rpo.lora": 4.0,
    "full.adamw": 2.0,
    "full.adafactor": 2.0,
    "full_dpo.adamw": 40.0,
}
BETA, DIVERGENCE_BETA, SCALE, TAU = 40.0, 2.0, 20.0, 0.5
TOKENS, TEXT_SHARE, TEXT_CLIP = 7, 2.0, 0.3


class Batch:
    """Two noised pairs with what is told about them, of update number `at`."""

    def __init__(self, unet, xl: bool, times: torch.Tensor, at: int):
        scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        given = lambda name, *shape: inputs(SEED, f"{name} {at}", shape).to(unet.dtype)  # noqa: E731
        self.times, self.noise = times, given("noise", BATCH, 4, 8, 8)
        self.noisy = {
            kind: scheduler.add_noise(given(kind, BATCH, 4, 8, 8), self.noise, times)
            for kind in ["preferred", "rejected"]
        }
        width = unet.config.cross_attention_dim
        self.context, self.other = given("context", BATCH, 7, width), given("other", BATCH, 7, width)
        self.features = [given(f"{kind} features", BATCH, 6) for kind in ["preferred", "rejected"]]
        self.added = None
        if xl:
            time_ids = torch.tensor([[16.0, 16.0, 0.0, 0.0, 16.0, 16.0]]).repeat(BATCH, 1)
            self.added = dict(text_embeds=given("pooled", BATCH, 20), time_ids=time_ids)

    def errors(self, unet, kind: str, context=None) -> torch.Tensor:
        context = self.context if context is None else context
        output = unet(self.noisy[kind], self.times, context, added_cond_kwargs=self.added).sample
        return (output - self.noise).square().mean(dim=(1, 2, 3))

    def changes(self, unet, reference) -> list[torch.Tensor]:
        """How much larger the errors of winners and losers are than those of the reference."""
        with torch.no_grad():
            frozen = [self.errors(reference, kind) for kind in self.noisy]
        return [self.errors(unet, kind) - error for kind, error in zip(self.noisy, frozen)]


def dpo(unet, reference, batch):
    winners, losers = batch.changes(unet, reference)
    return -F.logsigmoid(-0.5 * BETA * (winners - losers)).mean()


def gors(unet, _, batch):
    return (REWARDS.to(unet.dtype) * batch.errors(unet, "preferred")).mean()


def hn_itm(unet, _, batch):
    matched = batch.errors(unet, "preferred").mean()
    mismatched = batch.errors(unet, "preferred", batch.other).mean()
    return matched - torch.clamp(mismatched, max=matched.detach())


def f_dpo(unet, reference, batch):
    """Jensen-Shannon."""
    winners, losers = [
        F.logsigmoid(-0.5 * SCALE * change) + math.log(2) for change in batch.changes(unet, reference)
    ]
    return -F.logsigmoid(DIVERGENCE_BETA * (winners - losers)).mean()


def rpo(unet, reference, batch):
    winners, losers = batch.changes(unet, reference)
    one, other = [F.normalize(features, dim=1) for features in batch.features]
    weights = F.softmax(one @ other.T / TAU, dim=1)
    margins = -0.5 * BETA * (winners[:, None] - losers[None, :])
    return -(weights * F.logsigmoid(margins)).sum(dim=1).mean()


def full(unet, _, batch):
    return batch.errors(unet, "preferred").mean()


OBJECTIVES = dict(dpo=dpo, gors=gors, hn_itm=hn_itm, f_dpo=f_dpo, rpo=rpo, full=full, full_dpo=dpo)


def train(folder: Path, case: str, timesteps: torch.Tensor, dtype: torch.dtype) -> dict:
    objective, method = case.split(".")
    everything = objective.startswith("full")
    reference = UNet2DConditionModel.from_pretrained(folder / "unet").requires_grad_(False)
    if everything:
        unet = UNet2DConditionModel.from_pretrained(folder / "unet").requires_grad_(True)
    else:
        unet = adapted(folder, method == "dora")
    if dtype == torch.float64:
        unet, reference = unet.double(), reference.double()
    parameters = [parameter for _, parameter in trainable(unet)]
    start = flat(parameters)
    if method == "adafactor":
        optimizer = Adafactor(parameters, lr=RATE, scale_parameter=False, relative_step=False, warmup_init=False)
    else:
        eps = 1e-5 if everything else 1e-8
        optimizer = torch.optim.AdamW(
            parameters, lr=RATE, betas=(0.9, 0.999), eps=eps, weight_decay=1e-2, foreach=False
        )
    losses, norms = [], []
    for update in range(UPDATES):
        optimizer.zero_grad()
        batch = Batch(unet, folder.name == "sdxl", timesteps[update], update)
        loss = OBJECTIVES[objective](unet, reference, batch)
        loss.backward()
        losses.append(loss.detach())
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, CLIP[case]).detach())
        optimizer.step()
    moved = flat(parameters) - start
    return {
        "losses": torch.stack(losses),
        "norms": torch.stack(norms),
        "moved": moved[::STRIDE] if everything else moved,
    }


def adapted_text_encoder(folder: Path, dora: bool) -> CLIPTextModel:
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").requires_grad_(False)
    targets = ["q_proj", "k_proj", "v_proj", "out_proj"]
    inject_adapter_in_model(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets, use_dora=dora), encoder)
    with torch.no_grad():
        for name, parameter in trainable(encoder):
            drawn = values(START_SEED, text_name(name), tuple(parameter.shape))
            parameter.copy_(drawn * 0.25 if "lora_B" in name else drawn)
    return encoder


def train_with_text_encoder(folder: Path, method: str, timesteps, ids, dtype: torch.dtype) -> dict:
    unet, encoder = adapted(folder, method == "dora"), adapted_text_encoder(folder, method == "dora")
    if dtype == torch.float64:
        unet, encoder = unet.double(), encoder.double()
    parts = [[parameter for _, parameter in trainable(part)] for part in [unet, encoder]]
    groups = [dict(params=parts[0], lr=RATE), dict(params=parts[1], lr=RATE * TEXT_SHARE)]
    starts = [flat(part) for part in parts]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-5, weight_decay=1e-2, foreach=False)
    losses, norms = [], []
    for update in range(UPDATES):
        optimizer.zero_grad()
        batch = Batch(unet, False, timesteps[update], update)
        batch.context = encoder(ids[update]).last_hidden_state
        loss = gors(unet, None, batch)
        loss.backward()
        losses.append(loss.detach())
        norms.append(torch.nn.utils.clip_grad_norm_(parts[0] + parts[1], TEXT_CLIP).detach())
        optimizer.step()
    moved, text_moved = [flat(part) - start for part, start in zip(parts, starts)]
    return {
        "losses": torch.stack(losses),
        "norms": torch.stack(norms),
        "moved": moved,
        "text_moved": text_moved,
    }


def with_text_encoder(folder: Path, timesteps: torch.Tensor, generator: torch.Generator) -> dict:
    ids = torch.randint(0, 32, (UPDATES, BATCH, TOKENS), generator=generator)
    tensors = {"with_text_encoder.ids": ids.int()}
    for method in ["lora", "dora"]:
        narrow = train_with_text_encoder(folder, method, timesteps, ids, torch.float32)
        found = train_with_text_encoder(folder, method, timesteps, ids, torch.float64)
        error = {key: (narrow[key] - found[key]).norm() / found[key].norm() for key in found}
        print("with_text_encoder", method, {key: f"{value.item():.1e}" for key, value in error.items()})
        print("  norms", [f"{value:.3f}" for value in found["norms"]])
        tensors |= {f"with_text_encoder.{method}.{key}": value.float().contiguous() for key, value in found.items()}
    return tensors


if __name__ == "__main__":
    torch.set_num_threads(1)
    models, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(20260102)
    for model in ["sd15", "sdxl"]:
        drawn = torch.randint(0, 1000, (UPDATES, BATCH), generator=generator)
        tensors = {"timesteps": drawn.int()}
        for case in CLIP:
            narrow = train(models / model, case, drawn, torch.float32)
            found = train(models / model, case, drawn, torch.float64)
            error = {key: (narrow[key] - found[key]).norm() / found[key].norm() for key in found}
            found["pytorch_f32"] = error["moved"][None]
            tensors |= {f"{case}.{key}": value.float().contiguous() for key, value in found.items()}
            print(model, case, {key: f"{value.item():.1e}" for key, value in error.items()}, len(found["moved"]))
            print("  losses", [f"{value:.4f}" for value in found["losses"]])
            print("  norms", [f"{value:.3f}" for value in found["norms"]])
        if model == "sd15":
            # Numbers of its own, so that those of the other model do not depend on it.
            own = torch.Generator().manual_seed(20260103)
            tensors |= with_text_encoder(models / model, drawn, own)
        save_file(tensors, out / f"{model}.safetensors")
