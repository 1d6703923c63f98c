"""Writes tiny random AutoencoderKL folders of diffusers with an image, its moments and a decoded latent.

Run: python tools/goldens/export_vae.py diffusion/tests/golden/vae
"""

import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

CASES = {
    "full": dict(block_out_channels=(8, 12, 16), layers_per_block=2, norm_num_groups=4),
    "bare": dict(
        block_out_channels=(4, 8),
        layers_per_block=1,
        norm_num_groups=2,
        latent_channels=3,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ),
}


@torch.no_grad()
def main():
    out = Path(sys.argv[1])
    for index, (name, config) in enumerate(CASES.items()):
        generator = torch.Generator().manual_seed(100 + index)
        levels = len(config["block_out_channels"])
        model = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            **config,
        ).eval()
        # Random normalization weights too: fresh ones are all 1 and 0 and would hide a mix-up.
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
        model.save_pretrained(out / name)
        height, width = 24, 16
        scale = 2 ** (levels - 1)
        latent_shape = (2, model.config.latent_channels, height // scale, width // scale)
        image = torch.rand(2, 3, height, width, generator=generator) * 2 - 1
        latent = torch.randn(latent_shape, generator=generator)
        moments = model.encode(image).latent_dist
        golden = dict(image=image, latent=latent, mean=moments.mean, logvar=moments.logvar)
        golden["decoded"] = model.decode(latent).sample
        save_file({key: value.contiguous() for key, value in golden.items()}, out / name / "golden.safetensors")


if __name__ == "__main__":
    main()
