"""Writes losses and gradients of the objectives of preference and reward training, by PyTorch's autograd in f64.

Run: python tools/goldens/export_objectives.py diffusion/tests/golden/objectives.json
"""

import json
import math
import sys

import torch
import torch.nn.functional as F

import seeded

SHAPE = (3, 2, 2, 3)
SEED = 71
SCHEDULER = dict(
    num_train_timesteps=1000,
    beta_schedule="scaled_linear",
    beta_start=0.00085,
    beta_end=0.012,
    prediction_type="epsilon",
    clip_sample=False,
    set_alpha_to_one=False,
)


def per_item(prediction, target):
    return F.mse_loss(prediction, target, reduction="none").mean(dim=(1, 2, 3))


def differences(x):
    """Of the mean squared error to that of the reference, winners and losers."""
    return [
        per_item(x[f"prediction_{side}"], x[f"target_{side}"]) - per_item(x[f"reference_{side}"], x[f"target_{side}"])
        for side in ("winner", "loser")
    ]


def sft(x):
    return F.mse_loss(x["prediction"], x["target"])


def gors(x):
    return (x["reward"] * per_item(x["prediction"], x["target"])).mean()


def diffusion_dpo(x, beta):
    winner, loser = differences(x)
    return -F.logsigmoid(-0.5 * beta * (winner - loser)).mean()


def slope(log_ratio, divergence, alpha):
    """f'(u) at u = exp(log_ratio)."""
    u = log_ratio.exp()
    return {
        "rkl": lambda: u.log() + 1,
        "fkl": lambda: -1 / u,
        "js": lambda: (2 * u / (1 + u)).log(),
        "alpha": lambda: (1 - u**-alpha) / alpha,
    }[divergence]()


def f_dpo(x, divergence, beta, scale, alpha=None):
    winner, loser = (-0.5 * scale * difference for difference in differences(x))
    return -F.logsigmoid(beta * slope(winner, divergence, alpha) - beta * slope(loser, divergence, alpha)).mean()


def rpo(x, beta, tau, weight="outside"):
    winner, loser = differences(x)
    cosines = F.cosine_similarity(x["features_winner"][:, None], x["features_loser"][None], dim=2)
    weights = torch.exp(-(1 - cosines) / tau)
    weights = (weights / weights.sum(dim=1, keepdim=True)).detach()
    margins = -0.5 * beta * (winner[:, None] - loser[None])
    if weight == "inside":
        return -F.logsigmoid(weights * margins).mean()
    return -(weights * F.logsigmoid(margins)).sum(dim=1).mean()


def hn_itm(x, factor=1.0, capped=True, relativistic=False, mode="reference"):
    error = per_item if mode == "paper" else F.mse_loss
    positive = error(x["prediction_positive"], x["target"])
    compared = x["prediction_positive"] if relativistic else x["target"]
    negative = error(x["prediction_negative"], compared)
    if capped:
        negative = torch.minimum(negative, factor * positive.detach())
    return (positive - negative).mean()


def dpok(x, reward_weight, kl_weight, clip, inference_steps, eta, scheduler, mode="reference"):
    betas = torch.linspace(
        scheduler["beta_start"] ** 0.5, scheduler["beta_end"] ** 0.5, scheduler["num_train_timesteps"], dtype=torch.float64
    ).square()
    products = torch.cumprod(1 - betas, 0)
    now = products[x["timesteps"].long()]
    before = products[(x["timesteps"].long() - scheduler["num_train_timesteps"] // inference_steps).clamp(min=0)]
    variance = eta**2 * (1 - before) / (1 - now) * (1 - now / before)
    over = lambda numbers: numbers.reshape(-1, 1, 1, 1)

    def mean(prediction):
        original = (x["latents"] - over((1 - now).sqrt()) * prediction) / over(now.sqrt())
        return over(before.sqrt()) * original + over((1 - before - variance).clamp(min=0).sqrt()) * prediction

    density = torch.distributions.Normal(mean(x["prediction"]), over(variance.sqrt()))
    logs = density.log_prob(x["next_latents"])
    advantage = (x["reward"] - x["value"]).detach()
    if mode == "paper":
        ratio = torch.exp(logs.sum(dim=(1, 2, 3)) - x["log_probability_old"])
        apart = (density.loc - mean(x["reference"])).square() / (2 * over(variance))
        kl = apart.sum(dim=(1, 2, 3)).mean()
    else:
        ratio = torch.exp(logs.mean(dim=(1, 2, 3)) - x["log_probability_old"]).clamp(1 - clip, 1 + clip)
        kl = (x["prediction"] - x["reference"]).square().mean()
    return -reward_weight * (advantage * ratio).mean() + kl_weight * kl


OBJECTIVES = {
    "sft": sft,
    "gors": gors,
    "diffusion-dpo": diffusion_dpo,
    "f-dpo-rkl": f_dpo,
    "f-dpo-fkl": f_dpo,
    "f-dpo-js": f_dpo,
    "f-dpo-alpha": f_dpo,
    "rpo": rpo,
    "hn-itm": hn_itm,
    "dpok": dpok,
}


def draw(name, shape=SHAPE):
    """Few digits, which both sides read as the same numbers."""
    return (seeded.inputs(SEED, name, shape).double() * 1000).round() / 1000


def rounded(tensor):
    return (tensor * 1e4).round() / 1e4


def singles():
    target = draw("single target")
    prediction = rounded(target + 0.3 * draw("single prediction"))
    return dict(prediction=prediction, target=target, reward=torch.tensor([0.2, 0.9, 0.45], dtype=torch.float64))


def pairs():
    found = {}
    for side in ("winner", "loser"):
        target = draw(f"target {side}")
        reference = rounded(target + 0.3 * draw(f"reference {side}"))
        prediction = rounded(reference + 0.004 * draw(f"prediction {side}"))
        found |= {f"target_{side}": target, f"reference_{side}": reference, f"prediction_{side}": prediction}
        found[f"features_{side}"] = draw(f"features {side}", (3, 5))
    return found


def negatives(distance):
    target = draw("target")
    positive = rounded(target + 0.3 * draw("positive"))
    scales = torch.tensor(distance, dtype=torch.float64).reshape(3, 1, 1, 1)
    negative = rounded(target + scales * draw("negative"))
    return dict(target=target, prediction_positive=positive, prediction_negative=negative)


def transitions(reduce):
    shape = (4, 2, 2, 3)
    reference = draw("transition reference", shape)
    found = dict(
        latents=draw("transition latents", shape),
        reference=reference,
        prediction=rounded(reference + 0.05 * draw("transition prediction", shape)),
        timesteps=torch.tensor([981.0, 601.0, 201.0, 1.0], dtype=torch.float64),
        reward=torch.tensor([0.4, -0.3, 1.2, 0.1], dtype=torch.float64),
        value=torch.tensor([0.1, 0.2, 0.5, -0.4], dtype=torch.float64),
    )
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64).square()
    products = torch.cumprod(1 - betas, 0)
    now, before = (products[(found["timesteps"].long() - back).clamp(min=0)] for back in (0, 20))
    deviation = ((1 - before) / (1 - now) * (1 - now / before)).sqrt()
    now, before, deviation = (numbers.reshape(-1, 1, 1, 1) for numbers in (now, before, deviation))
    original = (found["latents"] - (1 - now).sqrt() * found["prediction"]) / now.sqrt()
    mean = before.sqrt() * original + (1 - before - deviation**2).sqrt() * found["prediction"]
    # More digits than elsewhere: the smallest deviation is 0.03.
    next_latents = ((mean + deviation * draw("transition noise", shape)) * 1e6).round() / 1e6
    logs = torch.distributions.Normal(mean, deviation).log_prob(next_latents)
    # Two ratios of the four stand within 1e-4 of 1.
    apart = torch.tensor([2e-5, -3e-2, -5e-5, 2e-2], dtype=torch.float64)
    old = getattr(logs, reduce)(dim=(1, 2, 3)) + apart
    return found | dict(next_latents=next_latents, log_probability_old=(old * 1e9).round() / 1e9)


GROUPS = dict(
    singles=singles(),
    pairs=pairs(),
    near=negatives([0.1, 0.4, 0.15]),
    far=negatives([0.5, 0.4, 0.6]),
    transitions=transitions("mean"),
    summed_transitions=transitions("sum"),
)

POLICY = dict(reward_weight=10.0, kl_weight=0.01, clip=1e-4, inference_steps=50, eta=1.0, scheduler=SCHEDULER)
PAIR = ["prediction_winner", "prediction_loser"]
MATCHED = ["prediction_positive", "prediction_negative"]
CASES = [
    ("sft", "singles", {}, ["prediction"]),
    ("gors", "singles", {}, ["prediction"]),
    ("diffusion-dpo", "pairs", dict(beta=5000.0), PAIR),
    ("diffusion-dpo", "pairs", dict(beta=200.0), PAIR),
    ("rpo", "pairs", dict(beta=2000.0, tau=0.01), PAIR),
    ("rpo", "pairs", dict(beta=5000.0, tau=0.5), PAIR),
    ("rpo", "pairs", dict(beta=5000.0, tau=0.5, weight="inside"), PAIR),
    ("hn-itm", "near", dict(factor=1.0), MATCHED),
    ("hn-itm", "near", dict(factor=0.5), MATCHED),
    ("hn-itm", "far", dict(factor=1.0), MATCHED),
    ("hn-itm", "far", dict(capped=False), MATCHED),
    ("hn-itm", "near", dict(factor=4.0, relativistic=True), MATCHED),
    ("hn-itm", "near", dict(factor=1.0, mode="paper"), MATCHED),
    ("dpok", "transitions", POLICY, ["prediction"]),
    ("dpok", "transitions", POLICY | dict(kl_weight=5.0, clip=0.1), ["prediction"]),
    ("dpok", "summed_transitions", POLICY | dict(mode="paper"), ["prediction"]),
]
for kind in ("rkl", "fkl", "js", "alpha"):
    for beta, scale in ((0.9, 2000.0), (5.0, 300.0)):
        for alpha in (0.3, 0.8) if kind == "alpha" else (None,):
            settings = dict(divergence=kind, beta=beta, scale=scale) | ({"alpha": alpha} if alpha else {})
            CASES.append((f"f-dpo-{kind}", "pairs", settings, PAIR))


def evaluate(objective, inputs, settings, gradients_of):
    inputs = {name: tensor.clone().requires_grad_(name in gradients_of) for name, tensor in inputs.items()}
    loss = OBJECTIVES[objective](inputs, **settings)
    gradients = torch.autograd.grad(loss, [inputs[name] for name in gradients_of])
    return loss.item(), {name: gradient.flatten().tolist() for name, gradient in zip(gradients_of, gradients)}


def case(objective, group, settings, gradients_of):
    loss, gradients = evaluate(objective, GROUPS[group], settings, gradients_of)
    return dict(
        objective=objective, settings=settings, inputs=group, gradients_of=gradients_of, loss=loss, gradients=gradients
    )


def main():
    inputs = {
        group: {name: dict(shape=list(x.shape), values=x.flatten().tolist()) for name, x in tensors.items()}
        for group, tensors in GROUPS.items()
    }
    cases = [case(*each) for each in CASES]
    assert all(math.isfinite(each["loss"]) for each in cases)
    with open(sys.argv[1], "w") as file:
        written = dict(torch=torch.__version__.split("+")[0], inputs=inputs, cases=cases)
        json.dump(written, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
