"""Prints the golden values of diffusion/src/unet/forward_operations.rs and diffusion/src/vae/decode_operations.rs.

Usage: python export_operations.py   (with torch and diffusers; nothing is computed, only counted)
"""

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

SD15 = dict(cross_attention_dim=768, attention_head_dim=8)
SD21 = dict(cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True)
SDXL = dict(
    block_out_channels=(320, 640, 1280),
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    transformer_layers_per_block=(1, 2, 10),
    attention_head_dim=(5, 10, 20),
    cross_attention_dim=2048,
    use_linear_projection=True,
    addition_embed_type="text_time",
    addition_time_embed_dim=256,
    projection_class_embeddings_input_dim=2816,
)
VAE = dict(
    block_out_channels=(128, 256, 512, 512),
    down_block_types=("DownEncoderBlock2D",) * 4,
    up_block_types=("UpDecoderBlock2D",) * 4,
    layers_per_block=2,
)


def count(call):
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        call()
    return counter.get_total_flops()


def unet(name, config, batch, height, width):
    model = UNet2DConditionModel(**config)
    added = {}
    if "addition_embed_type" in config:
        added = dict(text_embeds=torch.randn(batch, 1280), time_ids=torch.randn(batch, 6))
    sample = torch.randn(batch, 4, height, width)
    context = torch.randn(batch, 77, config["cross_attention_dim"])
    total = count(lambda: model(sample, torch.ones(batch), context, added_cond_kwargs=added))
    print(f"{name} batch {batch}, {height} x {width}: {total}")


def main():
    with torch.device("meta"):
        unet("sd15", SD15, 2, 64, 64)
        unet("sd21", SD21, 2, 64, 64)
        unet("sd21", SD21, 1, 72, 40)
        unet("sdxl", SDXL, 2, 128, 128)
        vae = AutoencoderKL(**VAE)
        print("vae decode batch 1, 64 x 64:", count(lambda: vae.decode(torch.randn(1, 4, 64, 64))))


if __name__ == "__main__":
    main()
