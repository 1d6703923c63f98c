"""Writes the golden values of diffusion/src/torch_noise: draws of PyTorch's CPU generator.

Usage: python export_torch_noise.py FILE.json   (with torch, on x86-64 with AVX2 or AVX-512)

The draws of one seed follow one another in one generator, so that values left over from a draw of
less than sixteen are tested too."""

import json
import sys
from pathlib import Path

import torch

SIZES = [*range(1, 40), 5, 16, 3, 1300, 7, 17, 16384, 1, 2, 4 * 96 * 96 + 9, 15]


def draw(generator, size):
    bits = [bit & 0xFFFFFFFF for bit in torch.randn(size, generator=generator).view(torch.int32).tolist()]
    checksum = sum(bit * (2 * index + 1) for index, bit in enumerate(bits)) % 2**64
    return {"size": size, "first": bits[:2], "checksum": checksum}


def main():
    assert torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    golden = []
    for seed in (0, 42, 123456789, 2**32 + 7, 2**64 - 1):
        generator = torch.Generator("cpu").manual_seed(seed if seed < 2**63 else seed - 2**64)
        golden.append({"seed": seed, "draws": [draw(generator, size) for size in SIZES]})
    Path(sys.argv[1]).write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
