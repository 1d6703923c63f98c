"""Times the denoiser of the shipped model in PyTorch, the peer of diffusion/examples/unet_speed.rs.

Usage: OMP_NUM_THREADS=2 python tools/unet_speed.py [repetitions]
"""

import statistics
import sys
import time

import torch
from diffusers import UNet2DConditionModel

BATCH, TOKENS = 64, 16


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    torch.manual_seed(0)
    model = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(64, 96),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=96,
        attention_head_dim=4,
        norm_num_groups=32,
    )
    print(f"parameters {sum(p.numel() for p in model.parameters())}, threads {torch.get_num_threads()}")

    def run() -> torch.Tensor:
        sample = torch.randn(BATCH, 4, 8, 8)
        timesteps = torch.rand(BATCH) * 1000
        return model(sample, timesteps, torch.randn(BATCH, TOKENS, 96)).sample

    def forward() -> None:
        with torch.no_grad():
            run()

    def both() -> None:
        model.zero_grad()
        run().square().mean().backward()

    for name, call in (("forward", forward), ("forward and backward", both)):
        seconds = []
        for _ in range(repetitions + 2):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        print(f"{name} ms {statistics.median(seconds[2:]) * 1e3:.1f}")


if __name__ == "__main__":
    main()
