"""Measures the work of `mitune bench model` with diffusers and PEFT, and compares both in one run.

Usage: python tools/bench_model.py MODEL_DIR [--program target/release/mitune] [--candidates N] [--steps N]
           [--training-batch N] [--threads N] [--runs N] [--level LEVEL] [--work WORK,..] [--json]

Rounds alternate between the two programs, so that a machine whose speed drifts is as slow for each; the
ratio of every piece of work is that of the medians over rounds. Above 1 mitune is faster, or smaller.
Each round of either is a process of its own; peaks are those of the process.

`--level` holds both to the same vector instructions: avx512, avx2 or baseline. mitune takes its variable; PyTorch's own
kernels, oneDNN and MKL have one each. On processors of other makers than Intel, MKL chooses by itself what its variable
says or less. PyTorch's kernels of `default` are compiled for SSE2, oneDNN's least is SSE4.1.

On a graphics card: `--device cuda` (mitune's device, and PyTorch's before the colon), `--dtype f16` for the networks of
both (training is in f32), `--compile` for torch.compile. `--peer-only` prints the peer's own numbers as JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path


# What each library reads once, when it is loaded.
LEVELS = {
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "MKL_ENABLE_INSTRUCTIONS": "AVX512"},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "baseline": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
}


# Kinds of work, and how the names of their pieces begin.
WORKS = {
    "forward": "unet forward",
    "decode": "vae decode",
    "candidates": "candidates with mutual information",
    "candidates-without": "candidates without",
    "training": "training step",
    "preference": "preference step",
}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--program", default="target/release/mitune")
    parser.add_argument("--candidates", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--training-batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=1, help="counted runs of each piece of work in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--level", choices=LEVELS, help="vector instructions of both [default: the best]")
    parser.add_argument("--work", default=",".join(WORKS), help="what to measure [default: everything]")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--device", default="cpu", help="device of both, as mitune names it [default: cpu]")
    parser.add_argument("--dtype", choices=("f32", "f16", "bf16"), default="f32")
    parser.add_argument("--compile", action="store_true", help="compile the peer's networks")
    parser.add_argument("--largest-batch", type=int, default=2, help="largest batch of the denoiser alone")
    parser.add_argument("--peer-only", action="store_true", help="measure PyTorch alone and print JSON")
    return parser.parse_args()


def reset_peak():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        return True
    except OSError:
        return False


def peak_bytes():
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def measure(results, works, name, batch, runs, call, warm_up=None):
    """Appends what a piece of work takes, unless it is left out."""
    if not any(name.startswith(WORKS[work]) for work in works):
        return
    import torch

    seconds, peak = [], 0
    for run in range(runs + 1):
        counts = reset_peak()
        on_card = torch.cuda.is_available()
        if on_card:
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        (warm_up if run == 0 and warm_up else call)()
        if on_card:
            torch.cuda.synchronize()
        if run > 0:
            seconds.append(time.perf_counter() - start)
            if on_card:
                peak = max(peak, torch.cuda.max_memory_reserved())
            else:
                peak = max(peak, peak_bytes()) if counts else None
    results.append({"work": name, "batch": batch, "seconds": statistics.median(seconds), "peak_bytes": peak})


def peer(arguments):
    """The same work in diffusers, as its own pipelines and training scripts do it."""
    import torch
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from peft import LoraConfig

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    device = torch.device("cuda" if arguments.device.startswith("cuda") else "cpu")
    dtype = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[arguments.dtype]
    load = lambda kind, name: kind.from_pretrained(arguments.model, subfolder=name, dtype=dtype).eval().to(device)
    unet, vae = load(UNet2DConditionModel, "unet"), load(AutoencoderKL, "vae")
    unet.requires_grad_(False)
    vae.requires_grad_(False)
    compiled = (lambda module: torch.compile(module)) if arguments.compile else (lambda module: module)
    denoiser, decode = compiled(unet), compiled(vae.decode)
    scheduler = DDPMScheduler.from_pretrained(arguments.model, subfolder="scheduler")
    side, channels, runs = unet.config.sample_size, unet.config.in_channels, arguments.runs
    normal = lambda *shape, dtype=dtype: torch.randn(*shape, device=device, dtype=dtype)
    latents = lambda batch, **kind: normal(batch, channels, side, side, **kind)
    width = unet.config.cross_attention_dim
    text = json.loads((Path(arguments.model) / "text_encoder/config.json").read_text())
    tokens = text.get("max_position_embeddings", 77)

    def conditioning(batch, **kind):
        context = normal(batch, tokens, width, **kind)
        if unet.config.addition_embed_type != "text_time":
            return {"encoder_hidden_states": context}
        pooled = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
        added = {"text_embeds": normal(batch, pooled, **kind), "time_ids": normal(batch, 6, **kind)}
        return {"encoder_hidden_states": context, "added_cond_kwargs": added}

    results = []
    works = arguments.work.split(",")
    with torch.no_grad():
        batch = 2
        while batch <= max(arguments.largest_batch, 2):
            sample, prompt, at = latents(batch), conditioning(batch), torch.full((batch,), 500.0, device=device)
            measure(results, works, "unet forward", batch, runs, lambda: denoiser(sample, at, **prompt))
            batch *= 2
        latent = latents(1)
        measure(results, works, "vae decode", 1, runs, lambda: decode(latent))
        count = arguments.candidates
        prompts = conditioning(2 * count)

        def candidates(scored, steps):
            scheduler.set_timesteps(steps)
            generator = torch.Generator().manual_seed(42)
            image = torch.randn(latents(count).shape, generator=generator).to(device)
            total = torch.zeros(count, device=device)
            for step in scheduler.timesteps:
                both = torch.cat([image, image]).to(dtype)
                negative, positive = denoiser(both, step, **prompts).sample.float().chunk(2)
                difference = positive - negative
                if scored:
                    total += difference.flatten(1).square().sum(1)
                guided = negative + 7.5 * difference
                image = scheduler.step(guided, step, image, generator=generator).prev_sample

        for name, scored in (("candidates with mutual information", True), ("candidates without", False)):
            all_steps = lambda scored=scored: candidates(scored, arguments.steps)
            few_steps = lambda scored=scored: candidates(scored, min(arguments.steps, 2))
            measure(results, works, name, count, runs, all_steps, few_steps)

    unet.float()
    batch = arguments.training_batch
    kind = {"dtype": torch.float32}
    noisy, target, prompts = latents(batch, **kind), latents(batch, **kind), conditioning(batch, **kind)
    for name, dora in (("training step, LoRA", False), ("training step, DoRA", True)):
        targets = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"]
        config = LoraConfig(r=32, lora_alpha=32, init_lora_weights="gaussian", target_modules=targets, use_dora=dora)
        unet.add_adapter(config, adapter_name=name.replace(" ", "_").replace(",", ""))
        trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=1e-2)

        def step():
            output = unet(noisy, torch.full((batch,), 750.0, device=device), **prompts).sample
            torch.nn.functional.mse_loss(output, target).backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()

        measure(results, works, name, batch, runs, step)
        unet.delete_adapters(name.replace(" ", "_").replace(",", ""))
    if "preference" in works:
        preference(unet, latents, conditioning, batch, runs, results, works)
    return results


def preference(unet, latents, conditioning, pairs, runs, results, works):
    """Updates as diffusers' train_diffusion_dpo.py makes them, and supervised ones on as many images."""
    import torch
    from peft import LoraConfig

    kind = {"dtype": torch.float32}
    noisy, target = latents(2 * pairs, **kind), latents(2 * pairs, **kind)
    prompts, at = conditioning(2 * pairs, **kind), torch.full((2 * pairs,), 750.0, device=noisy.device)
    targets = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"]
    unet.add_adapter(LoraConfig(r=32, lora_alpha=32, init_lora_weights="gaussian", target_modules=targets))
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=1e-2)
    beta = 5000

    def update(loss):
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    def supervised():
        update(torch.nn.functional.mse_loss(unet(noisy, at, **prompts).sample, target))

    def errors(prediction):
        return (prediction - target).square().mean(dim=(1, 2, 3))

    def preferring():
        winners, losers = errors(unet(noisy, at, **prompts).sample).chunk(2)
        unet.disable_adapters()
        with torch.no_grad():
            reference_winners, reference_losers = errors(unet(noisy, at, **prompts).sample).chunk(2)
        unet.enable_adapters()
        margins = -0.5 * beta * ((winners - losers) - (reference_winners - reference_losers))
        update(-torch.nn.functional.logsigmoid(margins).mean())

    measure(results, works, "preference step, SFT on both images", pairs, runs, supervised)
    measure(results, works, "preference step, DPO", pairs, runs, preferring)


def run_program(arguments):
    command = [arguments.program, "bench", "model", "--json", "--model", arguments.model, "--dtype", arguments.dtype]
    for name in ("device", "candidates", "steps", "training_batch", "largest_batch", "runs"):
        command += ["--" + name.replace("_", "-"), str(getattr(arguments, name))]
    command += ["--work", arguments.work]
    environment = dict(os.environ, RAYON_NUM_THREADS=str(arguments.threads))
    if arguments.level:
        environment["MITUNE_CPU_LEVEL"] = arguments.level
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(output.stdout)["measurements"]


def run_peer(arguments):
    environment = dict(os.environ, **LEVELS.get(arguments.level, {}))
    command = [sys.executable, __file__, *sys.argv[1:], "--peer-only"]
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(output.stdout)


def main():
    arguments = options()
    if arguments.peer_only:
        print(json.dumps(peer(arguments)))
        return
    rounds = [(run_program(arguments), run_peer(arguments)) for _ in range(arguments.rounds)]
    rows = []
    for position, first in enumerate(rounds[0][1]):
        same = lambda entry: (entry["work"], entry["batch"]) == (first["work"], first["batch"])
        ours = [next(filter(same, round[0])) for round in rounds]
        theirs = [round[1][position] for round in rounds]
        median = lambda list, key: statistics.median(entry[key] or 0 for entry in list)
        for entry in ours:
            # Memory of the device where there is one, as the peer counts it.
            entry["peak_bytes"] = entry["device_bytes"] or entry["peak_bytes"]
        row = {"work": first["work"], "batch": first["batch"]}
        row["seconds"] = [median(ours, "seconds"), median(theirs, "seconds")]
        row["speed_ratio"] = row["seconds"][1] / row["seconds"][0]
        row["mebibytes"] = [median(entry, "peak_bytes") / 2**20 for entry in (ours, theirs)]
        row["memory_ratio"] = row["mebibytes"][1] / max(row["mebibytes"][0], 1e-9)
        rows.append(row)
    if arguments.json:
        print(json.dumps(rows))
        return
    import diffusers
    import peft
    import torch

    level = arguments.level or "the best level"
    print(f"{arguments.model}, {level}, {arguments.threads} threads, {arguments.rounds} rounds of {arguments.runs}")
    print(f"against torch {torch.__version__}, diffusers {diffusers.__version__}, peft {peft.__version__}")
    print(f"{'work':36} {'batch':>5} {'mitune s':>9} {'peer s':>9} {'speed':>6} {'MiB':>7} {'peer MiB':>8} {'memory':>6}")
    for row in rows:
        (ours, theirs), (small, large) = row["seconds"], row["mebibytes"]
        numbers = f"{ours:9.4f} {theirs:9.4f} {row['speed_ratio']:6.2f} {small:7.0f} {large:8.0f} {row['memory_ratio']:6.2f}"
        print(f"{row['work']:36} {row['batch']:5} {numbers}")


if __name__ == "__main__":
    main()
