"""Compares mitune with diffusers, transformers and PEFT live, and prints the tables of docs/parity.md.

Run: cargo build --release --examples --bins --workspace
     python tools/parity/table.py [--program target/release/mitune] [--model DIR]... [--side SIDE] [--quick]

Parts: every part of the tiny Stable Diffusion 1.5, 2.1 and XL with random weights, and of each DIR, in f32, f16 and
bf16. Images: every scheduler on the tiny models, from PyTorch's generator. Adapters: LoRA and DoRA both ways. `--quick`
leaves out images and adapters.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(__file__).parent
TINY = ROOT / "diffusion/tests/golden/models"
LINE = re.compile(r"(\S+): shape .*, relative L2 (\S+), largest (\S+)")


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "target/release/mitune"))
    parser.add_argument("--model", action="append", default=[], help="a further model folder")
    parser.add_argument("--side", default="64", help="side of the latents of further models")
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


def output_of(command, **arguments):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, **arguments)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command} ended with {done.returncode}")
    return done.stdout.splitlines()


def parts(program, name, folder, side):
    example = Path(program).parent / "examples/component_outputs"
    for dtype in ("f32", "f16", "bf16"):
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary) / "outputs.safetensors"
            output_of([example, folder, file, dtype, side])
            lines = output_of([sys.executable, TOOLS / "component_outputs.py", folder, file, dtype, side])
        for part, relative, largest in filter(None, (LINE.match(line) and LINE.match(line).groups() for line in lines)):
            print(f"| {part} | {name} | {dtype} | {largest} | {relative} |", flush=True)


def images(program, name, folder):
    for line in output_of([sys.executable, TOOLS / "images.py", folder, "--mitune", program], stderr=subprocess.DEVNULL):
        row = json.loads(line)
        print(f"| {row.get('scheduler')} | {name} | f32 | {row.get('largest')} | {row.get('mean')} |", flush=True)


def main():
    arguments = options()
    peers = ", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "transformers", "peft"))
    print(f"Peers: {peers}\n\n| part | model | dtype | largest | relative L2 |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for name in ("tiny-sd15", "tiny-sd21", "tiny-sdxl"):
            folder = Path(temporary) / name
            output_of([arguments.program, "init-model", "--arch", name, "--random-weights", folder])
            parts(arguments.program, name, folder, "16")
    for folder in arguments.model:
        parts(arguments.program, Path(folder).name, folder, arguments.side)
    if arguments.quick:
        return
    print("\n| scheduler | model | dtype | largest of 255 | mean of 255 |\n|---|---|---|---|---|")
    for name in ("sd15", "sd21", "sdxl"):
        images(arguments.program, f"tiny-{name}", TINY / name)
    print("\nAdapters, largest difference of 255:", output_of([sys.executable, TOOLS / "adapters.py", arguments.program])[-1])


if __name__ == "__main__":
    main()
