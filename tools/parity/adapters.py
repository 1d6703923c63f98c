"""Adapters both ways, live: mitune and diffusers draw the same image, whoever trained the adapter and in whatever form.

Run: python tools/parity/adapters.py target/release/mitune [FOLDER TO KEEP WHAT MITUNE TRAINED]

For the tiny Stable Diffusion 1.5, 2.1 and XL in `diffusion/tests/golden/models`, and for LoRA and DoRA:
1. mitune generates, selects and fine-tunes in a pipeline; its adapter is written in PEFT's and kohya's form, and as a
   folder of PEFT's own; diffusers and mitune draw with each.
2. PEFT trains an adapter; diffusers writes it in its own form and in kohya's; both draw with each.
3. mitune merges the adapter into a new model directory, from which both draw.
4. Both draw with adapters that change text encoders too, in the form of diffusers and in kohya's.
Prints the largest difference of each pair of images in 255 steps; the last line is the largest of all, at most 2.

diffusers leaves the magnitudes of DoRA out of files in kohya's form, so for those its image is that of the same adapter
in its own form.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "goldens"))

import export_adapter_images as images  # noqa: E402
import export_adapter_training as training  # noqa: E402

MODELS = ROOT / "diffusion" / "tests" / "golden" / "models"
PIPELINE = """
version: 1
name: parity
model: {model}
seed: 3
stages:
  prompts: {{kind: ingest, source: {{inline: [a red circle, two cats, a blue square]}}}}
  candidates:
    kind: generate
    prompts: prompts
    candidates_per_prompt: 4
    sampler: {{scheduler: ddim, steps: 3}}
  selection: {{kind: select, candidates: candidates, top_k: 2}}
  adapter:
    kind: finetune
    selection: selection
    method: {method}
    rank: 2
    alpha: 3
    targets: {{modules: [proj_in, conv1, conv_shortcut]}}
    learning_rate: 0.02
    batch_size: 4
    steps: 12
"""


class Program:
    def __init__(self, binary: Path, folder: Path):
        self.binary, self.folder, self.drawn = binary, folder, 0

    def run(self, *words) -> str:
        command = [str(self.binary), *map(str, words)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def finetune(self, model: Path, method: str) -> Path:
        name = f"{model.name}_{method}"
        (self.folder / f"{name}.yaml").write_text(PIPELINE.format(model=model, method=method))
        store = self.folder / f"store_{name}"
        self.run("--store", store, "run", f"{name}.yaml", "--device", "cpu")
        listed = json.loads(self.run("--store", store, "store", "ls", "--stage", "finetune", "--json"))
        digest = next(entry for entry in listed if entry["port"] == "adapter")["digest"]
        stored = self.folder / f"stored_{name}.safetensors"
        self.run("--store", store, "store", "export", digest, stored)
        out = self.folder / f"mitune_{name}.safetensors"
        self.run("adapter", "convert", stored, "--to", "peft", out)
        return out

    def draw(self, model: Path, adapter: Path | None, scale: float = 1.0) -> torch.Tensor:
        self.drawn += 1
        out = self.folder / f"out{self.drawn}"
        size = ["--height", images.SIZE, "--width", images.SIZE, "--steps", images.STEPS]
        noise = ["--rng", "torch", "--seed", images.SEED, "--device", "cpu"]
        given = [] if adapter is None else ["--adapter", f"{adapter}:{scale}"]
        prompt = ["--prompt", images.PROMPT, "--guidance", images.GUIDANCE]
        self.run("generate", "--model", model, *prompt, *size, *noise, *given, "--out", out)
        return read_png(out / "0000.png")


def read_png(path: Path) -> torch.Tensor:
    import numpy
    from PIL import Image

    return torch.from_numpy(numpy.array(Image.open(path).convert("RGB")))


def difference(first: torch.Tensor, second: torch.Tensor) -> int:
    return (first.int() - second.int()).abs().max().item()


def check(program: Program, model: Path, method: str, seed: int):
    """Yields what was compared and how far the images are apart."""
    dora = method == "dora"
    ours = program.finetune(model, method)
    theirs = program.folder / f"peft_{model.name}_{method}.safetensors"
    generator = torch.Generator().manual_seed(seed)
    timesteps = torch.randint(0, 1000, (training.UPDATES * training.ACCUMULATED, training.BATCH), generator=generator)
    images.write(training.trained(model, dora, timesteps), program.folder, f"{model.name}_{method}", dora)
    for origin, file in [("mitune", ours), ("PEFT", theirs)]:
        expected = images.draw(model, file)
        yield f"trained by {origin}", difference(program.draw(model, file), expected)
        half = difference(program.draw(model, file, 0.5), images.draw(model, file, 0.5))
        yield f"trained by {origin}, at scale 0.5", half
        for form in ["kohya", "peft"]:
            written = program.folder / f"{file.stem}_as_{form}.safetensors"
            program.run("adapter", "convert", file, "--to", form, written)
            yield f"trained by {origin}, written as {form}", difference(program.draw(model, written), expected)
            if form == "peft" or not dora:
                again = difference(images.draw(model, written), expected)
                yield f"trained by {origin}, written as {form}, drawn by diffusers", again
        folder = program.folder / f"{file.stem}_folder"
        program.run("adapter", "convert", file, "--to", "peft", folder)
        yield f"trained by {origin}, folder of PEFT", difference(program.draw(model, folder), expected)
        yield f"trained by {origin}, folder of PEFT, drawn by PEFT", difference(images.draw(model, folder), expected)
        merged = program.folder / f"{file.stem}_merged"
        program.run("adapter", "merge", file, "--model", model, "--out", merged)
        yield f"trained by {origin}, merged, drawn by diffusers", difference(images.draw(merged, None), expected)
        yield f"trained by {origin}, merged", difference(program.draw(merged, None), expected)
    kohya = program.folder / f"kohya_{model.name}_{method}.safetensors"
    yield "trained by PEFT, in kohya form", difference(program.draw(model, kohya), images.draw(model, theirs))


def main(binary: Path, keep: Path | None) -> None:
    torch.set_num_threads(1)
    largest = 0
    with tempfile.TemporaryDirectory() as folder:
        program = Program(binary.resolve(), Path(folder))
        for name in ["sd15", "sdxl"]:
            for file in images.write_with_text_encoders(MODELS / name, Path(folder)):
                found = difference(program.draw(MODELS / name, file), images.draw(MODELS / name, file))
                print(f"{name:5} lora  {found:3} of 255  with text encoders, {file.name}", flush=True)
                largest = max(largest, found)
        for number, name in enumerate(images.MODELS):
            for method in ["lora", "dora"]:
                for what, found in check(program, MODELS / name, method, number):
                    print(f"{name:5} {method:5} {found:3} of 255  {what}", flush=True)
                    largest = max(largest, found)
                if keep:
                    file = f"mitune_{name}_{method}.safetensors"
                    (keep / file).write_bytes((Path(folder) / file).read_bytes())
    print(f"largest difference: {largest} of 255")
    sys.exit(largest > 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
