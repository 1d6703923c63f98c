"""Writes the golden files of adapters and training: PyTorch, PEFT and diffusers are the references.

Usage: python export_training.py export|check FOLDER   (with torch, peft, diffusers, safetensors)

`check` loads `written_dora.safetensors` and `written_kohya.safetensors`, which mitune wrote, with
diffusers instead.
"""

import sys
from pathlib import Path

import torch
from diffusers import ConfigMixin, ModelMixin, StableDiffusionPipeline
from diffusers.configuration_utils import register_to_config
from diffusers.loaders.peft import PeftAdapterMixin
from diffusers.optimization import get_scheduler
from diffusers.training_utils import _collate_lora_metadata
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import nn

torch.manual_seed(20260101)
torch.set_num_threads(1)


class Block(nn.Module):
    """Layers named as in a transformer block of diffusers, of different widths."""

    def __init__(self):
        super().__init__()
        self.attn1 = nn.Module()
        self.attn1.to_q = nn.Linear(6, 7, bias=False)
        self.attn1.to_out = nn.ModuleList([nn.Linear(7, 6)])
        self.proj_in = nn.Linear(6, 6)

    def forward(self, x):
        return self.attn1.to_out[0](torch.tanh(self.attn1.to_q(self.proj_in(x))))


def adapted_block(dora):
    block = Block()
    config = LoraConfig(
        r=3,
        lora_alpha=4.5,
        init_lora_weights="gaussian",
        target_modules=["to_q", "to_out.0"],
        use_dora=dora,
    )
    inject_adapter_in_model(config, block)
    block.peft_config = {"default": config}
    with torch.no_grad():
        for name, value in block.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.4)
            if "lora_magnitude" in name:
                value.mul_(1 + 0.2 * torch.randn_like(value))
    return block


def save(tensors, path):
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, path)


def adapters(folder):
    for method in ["lora", "dora"]:
        block = adapted_block(method == "dora")
        x = torch.randn(2, 5, 6, requires_grad=True)
        weighting = torch.randn(2, 5, 6)
        y = block(x)
        (y * weighting).sum().backward()
        tensors = {"x": x, "weighting": weighting, "y": y, "x.grad": x.grad}
        for name, value in block.named_parameters():
            short = name.replace(".base_layer", "").replace(".default", "")
            short = short.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")
            tensors[f"parameter.{short}"] = value.detach().clone()  # merging changes it in place
            if value.grad is not None:
                tensors[f"gradient.{short}"] = value.grad
        peft = convert_state_dict_to_diffusers(get_peft_model_state_dict(block))
        StableDiffusionPipeline.save_lora_weights(
            folder,
            unet_lora_layers=peft,
            weight_name=f"diffusers_{method}.safetensors",
            **_collate_lora_metadata({"unet": block}),
        )
        for layer, name in [(block.attn1.to_q, "attn1.to_q"), (block.attn1.to_out[0], "attn1.to_out.0")]:
            layer.merge()
            tensors[f"merged.{name}.weight"] = layer.base_layer.weight
        save(tensors, folder / f"adapter_{method}.safetensors")


def optimizer(folder):
    """Ten updates of three micro-batches: gradients given, clipped, with a cosine rate."""
    updates, micro_batches = 10, 3
    weight = nn.Parameter(torch.randn(5, 4))
    bias = nn.Parameter(torch.randn(7))
    parameters = [weight, bias]
    adamw = torch.optim.AdamW(parameters, lr=3e-2, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.1, foreach=False)
    schedule = get_scheduler("cosine", adamw, num_warmup_steps=2, num_training_steps=12)
    tensors = {"weight.start": weight.detach().clone(), "bias.start": bias.detach().clone()}
    norms, rates, weights, biases = [], [], [], []
    # Small, large and mixed gradients, so that clipping acts on some updates only.
    sizes = torch.logspace(-2, 1, updates)
    weight_gradients = torch.randn(updates, micro_batches, 5, 4) * sizes[:, None, None, None]
    bias_gradients = torch.randn(updates, micro_batches, 7) * sizes[:, None, None]
    for update in range(updates):
        adamw.zero_grad()
        for micro_batch in range(micro_batches):
            loss = (weight * weight_gradients[update, micro_batch]).sum()
            loss = loss + (bias * bias_gradients[update, micro_batch]).sum()
            (loss / micro_batches).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, 1.0).detach().clone())
        rates.append(schedule.get_last_lr()[0])
        adamw.step()
        schedule.step()
        weights.append(weight.detach().clone())
        biases.append(bias.detach().clone())
    tensors |= {
        "weight.gradients": weight_gradients,
        "bias.gradients": bias_gradients,
        "weight.after": torch.stack(weights),
        "bias.after": torch.stack(biases),
        "norms": torch.stack(norms),
        "rates": torch.tensor(rates, dtype=torch.float64),
        "weight.first_moment": adamw.state[weight]["exp_avg"],
        "weight.second_moment": adamw.state[weight]["exp_avg_sq"],
    }
    save(tensors, folder / "optimizer.safetensors")


class LoadableBlock(ModelMixin, ConfigMixin, PeftAdapterMixin):
    """The block as a diffusers model, so that diffusers' own loader can be tried on it."""

    config_name = "config.json"

    @register_to_config
    def __init__(self):
        super().__init__()
        block = Block()
        self.attn1, self.proj_in = block.attn1, block.proj_in

    forward = Block.forward


def check(folder):
    golden = load_file(folder / "adapter_dora.safetensors")
    block = LoadableBlock()
    base = {name.removeprefix("parameter."): value for name, value in golden.items() if name.startswith("parameter.")}
    block.load_state_dict({name: value for name, value in base.items() if "lora" not in name})
    tensors, alphas, metadata = StableDiffusionPipeline.lora_state_dict(
        str(folder / "written_dora.safetensors"), return_lora_metadata=True
    )
    assert alphas is None
    block.load_lora_adapter(tensors, prefix="unet", metadata=metadata)
    worst = (block(golden["x"]) - golden["y"]).abs().max().item()
    print(f"largest difference from PEFT: {worst:.2e}")
    assert worst < 1e-5

    converted, alphas = StableDiffusionPipeline.lora_state_dict(str(folder / "written_kohya.safetensors"))
    assert set(alphas.values()) == {4.5} and len(alphas) == 2, alphas
    original = load_file(folder / "diffusers_lora.safetensors")
    assert len(converted) == len(original)
    for name, value in converted.items():
        layer = "to_q" if "to_q" in name else "to_out.0"
        part = "down" if "lora.down" in name or "lora_A" in name or ".down." in name else "up"
        assert torch.equal(value, original[f"unet.attn1.{layer}.lora.{part}.weight"]), name
    print(f"kohya form: {len(converted)} tensors converted by diffusers are equal")


if __name__ == "__main__":
    command, folder = sys.argv[1], Path(sys.argv[2])
    if command == "check":
        check(folder)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        adapters(folder)
        optimizer(folder)
