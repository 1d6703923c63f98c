"""Writes tiny random denoisers of diffusers with inputs, outputs and gradients for the tests.

Usage: OMP_NUM_THREADS=1 python tools/goldens/export_unet.py [folder]
The folder is diffusion/tests/golden/unet by default. Weights are stored as f16, which holds them
exactly; outputs and gradients are computed from them in f64 and stored as f32. Gradients are those
of sum(output * cotangent).
"""

import json
import sys
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock, FeedForward
from diffusers.models.attention_processor import Attention
from diffusers.models.downsampling import Downsample2D
from diffusers.models.embeddings import TimestepEmbedding, get_timestep_embedding
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.upsampling import Upsample2D
from safetensors.torch import save_file

TIED = dict(norm_num_groups=2, sample_size=8)
MODELS = {
    # Stable Diffusion 1.x: projections are convolutions, attention_head_dim counts heads.
    "sd1": dict(
        block_out_channels=(4, 8),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=12,
        attention_head_dim=4,
    ),
    # Stable Diffusion 2.x: projections are linear, one number of heads per level.
    "sd2": dict(
        block_out_channels=(4, 8),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=12,
        attention_head_dim=[2, 4],
        use_linear_projection=True,
        upcast_attention=True,
    ),
    # Heads that do not divide the channels, and every other field off its default.
    "three_levels": dict(
        in_channels=3,
        out_channels=5,
        block_out_channels=(4, 6, 8),
        layers_per_block=[1, 2, 1],
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=10,
        attention_head_dim=[1, 4, 3],
        transformer_layers_per_block=[2, 1, 1],
        only_cross_attention=[False, False, True],
        flip_sin_to_cos=False,
        freq_shift=1,
        downsample_padding=0,
        mid_block_scale_factor=1.4142,
        norm_eps=1e-3,
        time_embedding_dim=24,
        conv_in_kernel=1,
        conv_out_kernel=5,
        center_input_sample=True,
    ),
    # No attention anywhere and no middle block.
    "plain": dict(
        block_out_channels=(4, 8),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        mid_block_type=None,
        up_block_types=("UpBlock2D", "UpBlock2D"),
        cross_attention_dim=12,
        attention_head_dim=4,
    ),
}
# Height and width; 7 x 10 cannot be halved evenly twice.
SIZES = {"sd1": (8, 8), "sd2": (8, 4), "three_levels": (7, 10), "plain": (6, 8)}


def randomise(module: torch.nn.Module, generator: torch.Generator) -> None:
    """Fills every parameter, so that no scale of one and no shift of zero can hide a mistake."""
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim > 1:
            values = noise / parameter[0].numel() ** 0.5
        elif name.endswith("weight"):
            values = 1 + 0.3 * noise
        else:
            values = 0.3 * noise
        with torch.no_grad():
            parameter.copy_(values.half())


def evaluate(module, call, inputs: dict, differentiate: list, parameters: list, generator) -> dict:
    """Output of `call` in f64, and its gradients for the named inputs and parameters."""
    module = module.double()
    doubles = {name: tensor.double() for name, tensor in inputs.items()}
    for name in differentiate:
        doubles[name].requires_grad_(True)
    output = call(module, **doubles)
    cotangent = torch.randn(output.shape, generator=generator)
    (output * cotangent).sum().backward()
    named = dict(module.named_parameters())
    found = {"output": output.detach(), "cotangent": cotangent}
    found |= {f"grad.{name}": doubles[name].grad for name in differentiate}
    found |= {f"grad.{name}": named[name].grad for name in parameters}
    module.float()
    return found


def pack(weights: dict, inputs: dict, found: dict, prefix: str = "") -> dict:
    tensors = {f"{prefix}weights.{name}": tensor.half() for name, tensor in weights.items()}
    tensors |= {f"{prefix}{name}": tensor.float() for name, tensor in (inputs | found).items()}
    return {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}


def export_model(name: str, folder: Path) -> None:
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    model = UNet2DConditionModel(**TIED, **MODELS[name])
    randomise(model, generator)
    config = json.loads(model.to_json_string())
    inputs = {
        "sample": torch.randn(3, config["in_channels"], *SIZES[name], generator=generator),
        "timesteps": torch.tensor([0.0, 371.0, 999.0]),
        "encoder_hidden_states": torch.randn(3, 5, config["cross_attention_dim"], generator=generator),
    }
    attention = "down_blocks.0.attentions.0.transformer_blocks.0"
    parameters = [
        "conv_in.weight",
        "conv_out.bias",
        "conv_norm_out.weight",
        "time_embedding.linear_1.weight",
        "down_blocks.0.resnets.0.conv1.weight",
        "down_blocks.0.downsamplers.0.conv.weight",
        "up_blocks.0.resnets.0.norm1.bias",
        "up_blocks.0.resnets.0.conv_shortcut.weight",
        "up_blocks.0.upsamplers.0.conv.weight",
        f"{attention}.attn1.to_q.weight",
        f"{attention}.attn2.to_k.weight",
        f"{attention}.attn2.to_out.0.bias",
        f"{attention}.ff.net.0.proj.weight",
        f"{attention}.ff.net.2.weight",
        f"{attention}.norm3.weight",
        "down_blocks.0.attentions.0.proj_in.weight",
    ]
    present = dict(model.named_parameters())
    call = lambda m, sample, timesteps, encoder_hidden_states: m(sample, timesteps, encoder_hidden_states).sample
    differentiate = ["sample"] + ["encoder_hidden_states"] * (name != "plain")
    found = evaluate(
        model, call, inputs, differentiate, [p for p in parameters if p in present], generator
    )
    file = folder / f"{name}.safetensors"
    save_file(pack(model.state_dict(), inputs, found), file, metadata={"config": json.dumps(config)})
    print(f"{file.name} {file.stat().st_size} bytes")


def export_blocks(folder: Path) -> None:
    generator = torch.Generator().manual_seed(11)
    image = lambda *shape: torch.randn(*shape, generator=generator)
    resnet = dict(temb_channels=6, groups=2, eps=1e-5)
    transformer = dict(
        num_attention_heads=3, attention_head_dim=4, in_channels=12, norm_num_groups=4, cross_attention_dim=6
    )
    temb = {"input_tensor": image(2, 4, 3, 5), "temb": image(2, 6)}
    tokens = {"hidden_states": image(2, 7, 12), "encoder_hidden_states": image(2, 3, 6)}
    picture = {"hidden_states": image(2, 12, 3, 4), "encoder_hidden_states": image(2, 3, 6)}
    alone = {"hidden_states": image(2, 4, 5, 6)}
    cases = {
        "resnet": (ResnetBlock2D(in_channels=4, out_channels=4, **resnet), temb),
        "resnet_shortcut": (
            ResnetBlock2D(in_channels=4, out_channels=6, output_scale_factor=1.5, **resnet),
            temb,
        ),
        "self_attention": (Attention(12, heads=3, dim_head=4), {"hidden_states": image(2, 7, 12)}),
        "cross_attention": (Attention(12, cross_attention_dim=6, heads=3, dim_head=4), tokens),
        "feed_forward": (FeedForward(12), {"hidden_states": 2 * image(2, 7, 12)}),
        "basic_block": (BasicTransformerBlock(12, 3, 4, cross_attention_dim=6), tokens),
        "only_cross_attention": (
            BasicTransformerBlock(12, 3, 4, cross_attention_dim=6, only_cross_attention=True),
            tokens,
        ),
        "transformer_conv": (Transformer2DModel(**transformer), picture),
        "transformer_linear": (Transformer2DModel(**transformer, use_linear_projection=True), picture),
        "downsample": (Downsample2D(4, use_conv=True, padding=1, name="op"), alone),
        "downsample_unpadded": (Downsample2D(4, use_conv=True, padding=0, name="op"), alone),
        "upsample": (Upsample2D(4, use_conv=True), alone),
        "time_embedding": (TimestepEmbedding(8, 12), {"sample": image(3, 8)}),
    }
    tensors = {}
    for name, (module, inputs) in cases.items():
        randomise(module, generator)

        def call(module, **values):
            result = module(**values)
            return result.sample if hasattr(result, "sample") else result

        parameters = [parameter for parameter, _ in module.named_parameters()]
        found = evaluate(module, call, inputs, list(inputs), parameters, generator)
        weights = {key: value for key, value in module.state_dict().items() if key in parameters}
        tensors |= pack(weights, inputs, found, prefix=f"{name}/")
    timesteps = torch.tensor([0.0, 1.0, 17.5, 500.0, 999.0])
    for name, flip, shift in (("flipped", True, 0), ("straight", False, 1)):
        tensors[f"timesteps_{name}/timesteps"] = timesteps.clone()
        tensors[f"timesteps_{name}/output"] = get_timestep_embedding(
            timesteps, 10, flip_sin_to_cos=flip, downscale_freq_shift=shift
        )
    file = folder / "blocks.safetensors"
    save_file(tensors, file)
    print(f"{file.name} {file.stat().st_size} bytes")


def main() -> None:
    here = Path(__file__).resolve().parents[2] / "diffusion/tests/golden/unet"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else here
    folder.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(True)
    for name in MODELS:
        export_model(name, folder)
    export_blocks(folder)


if __name__ == "__main__":
    main()
