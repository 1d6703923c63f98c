"""Writes attention maps of the tiny denoisers of export_unet.py, and outputs with values of several encodings.

Usage: OMP_NUM_THREADS=1 python tools/goldens/export_attention_maps.py [file]
The file is diffusion/tests/golden/unet/attention_maps.safetensors by default. Everything is computed in f64 and
stored as f32. An attention processor keeps the probabilities of every layer; for the output called `structured` it
takes the values of cross-attention as the mean over three encodings and the keys from the first, as Structured
Diffusion Guidance does.
"""

import json
import sys
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from safetensors import safe_open
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parents[2] / "diffusion/tests/golden/unet"
# Height and width; small, because maps of self-attention grow with their fourth power.
SIZES = {"sd1": (2, 6), "sd2": (4, 6), "three_levels": (5, 6)}
BATCH = 2
TOKENS = 5
TIMESTEP = 371.0


class Recorder:
    """Attends with explicit probabilities, keeps them, and may take values from several encodings."""

    def __init__(self, name: str, maps: dict, encodings: list | None) -> None:
        self.name, self.maps, self.encodings = name, maps, encodings

    def __call__(self, attention, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, **_):
        is_cross = encoder_hidden_states is not None
        context = encoder_hidden_states if is_cross else hidden_states
        values = self.encodings if is_cross and self.encodings else [context]
        heads = attention.head_to_batch_dim
        query, key = heads(attention.to_q(hidden_states)), heads(attention.to_k(context))
        value = torch.stack([heads(attention.to_v(tokens)) for tokens in values]).mean(0)
        probabilities = attention.get_attention_scores(query, key, attention_mask)
        self.maps[self.name] = probabilities.unflatten(0, (-1, attention.heads))
        gathered = attention.batch_to_head_dim(probabilities @ value)
        return attention.to_out[1](attention.to_out[0](gathered))


def load(name: str) -> UNet2DConditionModel:
    with safe_open(FOLDER / f"{name}.safetensors", "pt") as file:
        config = json.loads(file.metadata()["config"])
        keys = [key for key in file.keys() if key.startswith("weights.")]
        weights = {key.removeprefix("weights."): file.get_tensor(key) for key in keys}
    model = UNet2DConditionModel.from_config(config)
    model.load_state_dict(weights)
    for module in model.modules():
        if isinstance(module, Attention):
            # Upcasting means f32, which is a step down from f64.
            module.upcast_attention = module.upcast_softmax = False
    return model.double().eval()


def evaluate(model, sample, context, encodings=None) -> tuple[torch.Tensor, dict]:
    maps = {}
    names = {name: name.removesuffix(".processor") for name in model.attn_processors}
    model.set_attn_processor({name: Recorder(layer, maps, encodings) for name, layer in names.items()})
    timesteps = torch.full((BATCH,), TIMESTEP, dtype=torch.float64)
    return model(sample, timesteps, context).sample, maps


def export(name: str) -> dict:
    generator = torch.Generator().manual_seed(1 + sum(map(ord, name)))
    model = load(name)
    normal = lambda *shape: torch.randn(*shape, generator=generator).double()
    sample = normal(BATCH, model.config.in_channels, *SIZES[name])
    width = model.config.cross_attention_dim
    encodings = [normal(BATCH, TOKENS, width) for _ in range(3)]
    timesteps = torch.full((BATCH,), TIMESTEP, dtype=torch.float64)
    plain = model(sample, timesteps, encodings[0]).sample
    output, maps = evaluate(model, sample, encodings[0])
    assert (output - plain).norm() < 1e-9 * plain.norm(), name
    structured, _ = evaluate(model, sample, encodings[0], encodings)
    assert (structured - plain).norm() > 1e-3 * plain.norm(), name
    tensors = {"sample": sample, "output": output, "structured": structured}
    tensors |= {f"encoding.{index}": encoding for index, encoding in enumerate(encodings)}
    tensors |= {f"maps.{layer}": probabilities for layer, probabilities in maps.items()}
    return {f"{name}/{key}": tensor.float().contiguous().clone() for key, tensor in tensors.items()}


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER / "attention_maps.safetensors"
    torch.use_deterministic_algorithms(True)
    tensors = {}
    with torch.no_grad():
        for name in SIZES:
            tensors |= export(name)
    save_file(tensors, file)
    print(f"{file.name} {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
