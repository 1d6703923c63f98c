"""Prints the golden values of diffusion/src/torch_noise.rs: draws of PyTorch's CPU generator.

The numbers kept are those of a processor with AVX2 (or ATEN_CPU_CAPABILITY=avx2)."""

import torch

for seed in (0, 42, 2**32 + 7):
    generator = torch.Generator().manual_seed(seed)
    for size in (16, 40, 5, 3, 1300, 17):
        values = torch.randn(size, generator=generator)
        bits = values.view(torch.int32).tolist()
        kept = [bit & 0xFFFFFFFF for bit in bits[:2] + bits[-2:]]
        print(f"({seed}, {size}, {kept}, {values.double().sum().item():.9}),")
print(torch.__version__, torch.backends.cpu.get_cpu_capability())
