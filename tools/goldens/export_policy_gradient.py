"""Writes DDPO's losses and gradients in f64, and what DPOK's value network says, both by PyTorch.

Run: python tools/goldens/export_policy_gradient.py diffusion/tests/golden/policy_gradient.json
"""

import json
import math
import sys

import torch
import torch.nn.functional as F

import export_objectives as objectives
import seeded

SEED = 59
LATENT = (2, 2, 3)
TEXT = 5
STEPS = 4
BATCH = 6


def ddpo(x, clip, largest_advantage, inference_steps, eta, scheduler, mode="reference"):
    """PPO's maximum of two losses, on log-probabilities of DDIM's steps."""
    betas = torch.linspace(
        scheduler["beta_start"] ** 0.5, scheduler["beta_end"] ** 0.5, scheduler["num_train_timesteps"], dtype=torch.float64
    ).square()
    products = torch.cumprod(1 - betas, 0)
    now = products[x["timesteps"].long()]
    before = products[(x["timesteps"].long() - scheduler["num_train_timesteps"] // inference_steps).clamp(min=0)]
    deviation = eta * ((1 - before) / (1 - now) * (1 - now / before)).sqrt()
    now, before, deviation = (numbers.reshape(-1, 1, 1, 1) for numbers in (now, before, deviation))
    original = (x["latents"] - (1 - now).sqrt() * x["prediction"]) / now.sqrt()
    mean = before.sqrt() * original + (1 - before - deviation**2).clamp(min=0).sqrt() * x["prediction"]
    logs = torch.distributions.Normal(mean, deviation).log_prob(x["next_latents"])
    logs = logs.sum(dim=(1, 2, 3)) if mode == "paper" else logs.mean(dim=(1, 2, 3))
    advantages = x["advantages"].clamp(-largest_advantage, largest_advantage)
    ratio = torch.exp(logs - x["log_probability_old"])
    clamped = torch.clamp(ratio, 1 - clip, 1 + clip)
    return torch.maximum(-advantages * ratio, -advantages * clamped).mean()


def transitions(reduce, advantages):
    found = objectives.transitions(reduce)
    for name in ("reference", "reward", "value"):
        del found[name]
    return found | dict(advantages=torch.tensor(advantages, dtype=torch.float64))


# Ratios below and above the clip, each with both signs of the advantage; one advantage beyond the largest.
GROUPS = dict(
    transitions=transitions("mean", [0.4, -0.3, 7.0, 1.1]),
    opposed=transitions("mean", [-0.4, 0.3, -1.2, -6.0]),
    summed_transitions=transitions("sum", [0.4, -0.3, 1.2, 0.5]),
)
SETTINGS = dict(clip=1e-4, largest_advantage=5.0, inference_steps=50, eta=1.0, scheduler=objectives.SCHEDULER)
CASES = [
    ("transitions", SETTINGS),
    ("opposed", SETTINGS),
    ("opposed", SETTINGS | dict(clip=0.025, largest_advantage=1.0)),
    ("summed_transitions", SETTINGS | dict(mode="paper")),
]


def case(group, settings):
    inputs = {name: x.clone().requires_grad_(name == "prediction") for name, x in GROUPS[group].items()}
    loss = ddpo(inputs, **settings)
    (gradient,) = torch.autograd.grad(loss, [inputs["prediction"]])
    assert math.isfinite(loss.item())
    return dict(
        objective="ddpo",
        settings=settings,
        inputs=group,
        gradients_of=["prediction"],
        loss=loss.item(),
        gradients=dict(prediction=gradient.flatten().tolist()),
    )


class ScaledLinear(torch.nn.Module):
    """A layer whose output is scaled by a vector of its step."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.lin = torch.nn.Linear(inputs, outputs)
        self.embed = torch.nn.Embedding(STEPS, outputs)

    def forward(self, x, step):
        return self.lin(x) * self.embed(step)


class ValueNetwork(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin1 = ScaledLinear(math.prod(LATENT) + TEXT, 256)
        self.lin2 = ScaledLinear(256, 256)
        self.lin3 = ScaledLinear(256, 256)
        self.lin4 = torch.nn.Linear(256, 1)

    def forward(self, latents, text, step):
        x = torch.cat([latents.flatten(1), text], dim=1)
        for layer in (self.lin1, self.lin2, self.lin3):
            x = F.relu(layer(x, step))
        return self.lin4(x).squeeze(1)


def value():
    network = seeded.fill(ValueNetwork(), SEED)
    with torch.no_grad():
        for layer in (network.lin1, network.lin2, network.lin3):
            # To a variance of 1, for a small one hides the inputs; a power of two, so that both sides have the same numbers.
            layer.embed.weight.mul_(16)
    latents = seeded.inputs(SEED, "latents", (BATCH, *LATENT))
    text = seeded.inputs(SEED, "text", (BATCH, TEXT))
    steps = [0, 3, 1, 3, 2, 0]
    rewards = [0.5, -1.0, 2.0, 0.25, 0.0, 1.5]
    expected = network(latents, text, torch.tensor(steps))
    loss = F.mse_loss(expected, torch.tensor(rewards))
    loss.backward()
    shown = ("lin1.lin.bias", "lin1.embed.weight", "lin2.lin.bias", "lin3.embed.weight", "lin4.weight", "lin4.bias")
    parameters = dict(network.named_parameters())
    return dict(
        seed=SEED,
        latent=math.prod(LATENT),
        text=TEXT,
        steps_in_all=STEPS,
        steps=steps,
        rewards=rewards,
        values=expected.tolist(),
        loss=loss.item(),
        gradients={name: parameters[name].grad.flatten().tolist() for name in shown},
    )


def main():
    inputs = {
        group: {name: dict(shape=list(x.shape), values=x.flatten().tolist()) for name, x in tensors.items()}
        for group, tensors in GROUPS.items()
    }
    with open(sys.argv[1], "w") as file:
        written = dict(
            torch=torch.__version__.split("+")[0],
            inputs=inputs,
            cases=[case(*each) for each in CASES],
            value=value(),
        )
        json.dump(written, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
