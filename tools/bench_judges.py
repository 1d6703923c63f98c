"""Measures the work of `mitune bench judge` with transformers, torchvision and clean-fid, and compares both in one run.

Usage: python tools/bench_judges.py [--arch NAME,..] [--batch 1,16] [--program target/release/mitune] [--threads N]
           [--runs N] [--rounds N] [--level LEVEL] [--device DEVICE] [--dtype f32|f16|bf16] [--channels-last] [--json]

Rounds alternate between the two programs, each in a process of its own for every architecture, so that a machine whose
speed drifts is as slow for each; the ratio of every piece of work is that of the medians over rounds. Above 1 mitune is
faster, or smaller. Peaks are those of the process, weights included. Weights and pixels are random on both sides.

The peers are, at their defaults: CLIP, BLIP and DINOv2 of transformers (attention in one operation of torch), the
network of clean-fid, and for preprocessing Pillow and torchvision, clean-fid's resizer before Inception. ImageReward is
put together of transformers' parts, because its package needs an older transformers; it has the same products.
`--channels-last` lets torch keep the images of Inception as it likes best. `--level` is that of tools/bench_model.py.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from bench_model import LEVELS, peak_bytes, reset_peak

# Side of the images that the network sees.
SIDES = {
    "clip-b-32": 224,
    "clip-l-14": 224,
    "clip-l-14-336": 336,
    "clip-h-14": 224,
    "clip-big-g-14": 224,
    "blip-vqa-base": 480,
    "image-reward": 224,
    "dinov2-l": 224,
    "inception": 299,
}

# Width, width between, layers, heads, patch, activation and width of embeddings.
CLIPS = {
    "clip-b-32": (768, 3072, 12, 12, 32, "quick_gelu", 512),
    "clip-l-14": (1024, 4096, 24, 16, 14, "quick_gelu", 768),
    "clip-l-14-336": (1024, 4096, 24, 16, 14, "quick_gelu", 768),
    "clip-h-14": (1280, 5120, 32, 16, 14, "gelu", 1024),
    "clip-big-g-14": (1664, 8192, 48, 16, 14, "gelu", 1280),
}

# Measured unless others are asked for; the largest takes 8 GB.
USUAL = [name for name in SIDES if name != "clip-big-g-14"]

QUESTION_TOKENS, PROMPT_TOKENS, VOCABULARY = 6, 35, 30524

BLIP_TEXT = dict(
    vocab_size=VOCABULARY, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
    max_position_embeddings=512, bos_token_id=VOCABULARY - 2,
)


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default=",".join(USUAL), help="architectures, separated by commas")
    parser.add_argument("--batch", default="1,16", help="images at once, separated by commas")
    parser.add_argument("--program", default="target/release/mitune")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each piece of work in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--level", choices=LEVELS, help="vector instructions of both [default: the best]")
    parser.add_argument("--device", default="cpu", help="device of both, as mitune names it [default: cpu]")
    parser.add_argument("--dtype", choices=("f32", "f16", "bf16"), default="f32")
    parser.add_argument("--channels-last", action="store_true", help="of Inception's images in PyTorch")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer-only", action="store_true", help="measure PyTorch alone and print JSON")
    return parser.parse_args()


def measure(results, name, batch, runs, call):
    """Appends what a piece of work takes, after one run that warms up."""
    import torch

    on_card = torch.cuda.is_available()
    seconds, peak = [], 0
    for run in range(runs + 1):
        counts = reset_peak()
        if on_card:
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        call()
        if on_card:
            torch.cuda.synchronize()
        if run == 0:
            continue
        seconds.append(time.perf_counter() - start)
        if on_card:
            peak = max(peak, torch.cuda.max_memory_reserved())
        else:
            peak = max(peak, peak_bytes()) if counts else None
    results.append({"work": name, "batch": batch, "seconds": statistics.median(seconds), "peak_bytes": peak})


def token_ids(count, tokens, device):
    import torch

    return torch.randint(1000, VOCABULARY - 2, (count, tokens), device=device)


def clip(arch):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    width, inner, layers, heads, patch, activation, projection = CLIPS[arch]
    config = CLIPVisionConfig(
        hidden_size=width, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
        image_size=SIDES[arch], patch_size=patch, hidden_act=activation, projection_dim=projection,
    )
    model = CLIPVisionModelWithProjection(config)
    return model, lambda pixels: model(pixel_values=pixels).image_embeds


def blip_vqa():
    import torch
    from transformers import BlipConfig, BlipForQuestionAnswering

    vision = dict(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
        image_size=SIDES["blip-vqa-base"], patch_size=16,
    )
    model = BlipForQuestionAnswering(BlipConfig(vision_config=vision, text_config=BLIP_TEXT))

    def first_logits(pixels):
        ids = token_ids(len(pixels), QUESTION_TOKENS, pixels.device)
        mask = torch.ones_like(ids)
        image = model.vision_model(pixel_values=pixels).last_hidden_state
        seen = torch.ones(image.shape[:-1], dtype=torch.long, device=pixels.device)
        question = model.text_encoder(
            input_ids=ids, attention_mask=mask, encoder_hidden_states=image, encoder_attention_mask=seen
        ).last_hidden_state
        start = torch.full((len(ids), 1), model.decoder_start_token_id, device=pixels.device)
        answer = model.text_decoder(input_ids=start, encoder_hidden_states=question, encoder_attention_mask=mask)
        return answer.logits[:, 0]

    return model, first_logits


def image_reward():
    import torch
    from transformers import BlipTextConfig, BlipVisionConfig, BlipVisionModel
    from transformers.models.blip.modeling_blip_text import BlipTextModel

    vision = BlipVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
        image_size=SIDES["image-reward"], patch_size=16, layer_norm_eps=1e-6,
    )
    text = BlipTextConfig(encoder_hidden_size=1024, **BLIP_TEXT)
    widths = [768, 1024, 128, 64, 16, 1]
    head = torch.nn.Sequential(*[torch.nn.Linear(*pair) for pair in zip(widths, widths[1:])])
    model = torch.nn.ModuleList([BlipVisionModel(vision), BlipTextModel(text, add_pooling_layer=False), head])

    def reward(pixels):
        ids = token_ids(len(pixels), PROMPT_TOKENS, pixels.device)
        image = model[0](pixel_values=pixels).last_hidden_state
        seen = torch.ones(image.shape[:-1], dtype=torch.long, device=pixels.device)
        states = model[1](
            input_ids=ids, attention_mask=torch.ones_like(ids), encoder_hidden_states=image, encoder_attention_mask=seen
        ).last_hidden_state
        return head(states[:, 0])

    return model, reward


def dinov2():
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, image_size=518, patch_size=14
    )
    model = Dinov2Model(config)
    return model, lambda pixels: model(pixel_values=pixels).last_hidden_state[:, 0]


def inception():
    """clean-fid's network; the state that it would fetch is its own random one."""
    from cleanfid import inception_pytorch

    def random_state(*_, **__):
        made = inception_pytorch._inception_v3(num_classes=1008, aux_logits=False, pretrained=False)
        made.Mixed_5b = inception_pytorch.FIDInceptionA(192, pool_features=32)
        made.Mixed_5c = inception_pytorch.FIDInceptionA(256, pool_features=64)
        made.Mixed_5d = inception_pytorch.FIDInceptionA(288, pool_features=64)
        return made.state_dict()

    inception_pytorch.load_state_dict_from_url = random_state
    model = inception_pytorch.InceptionV3(resize_input=False, normalize_input=False)
    return model, lambda pixels: model(pixels)[0].flatten(1)


def network(arch):
    if arch in CLIPS:
        return clip(arch)
    return {"blip-vqa-base": blip_vqa, "image-reward": image_reward, "dinov2-l": dinov2, "inception": inception}[arch]()


def preprocessing(arch):
    """What the peer's own code makes of a picture of 512 x 512 pixels."""
    import numpy as np
    from PIL import Image
    from torchvision import transforms
    from torchvision.transforms import InterpolationMode

    side = SIDES[arch]
    count = 512 * 512 * 3
    picture = Image.fromarray((np.arange(count) * 193 % 251).astype(np.uint8).reshape(512, 512, 3))
    if arch == "inception":
        from cleanfid.resize import build_resizer

        resize = build_resizer("clean")
        to_tensor = transforms.ToTensor()
        return lambda: (to_tensor(resize(np.array(picture)).clip(0, 255)) - 128) / 128
    square = arch in ("blip-vqa-base", "dinov2-l")
    steps = [transforms.Resize((side, side) if square else side, InterpolationMode.BICUBIC)]
    steps += [] if square else [transforms.CenterCrop(side)]
    steps += [transforms.ToTensor(), transforms.Normalize((0.48, 0.46, 0.41), (0.27, 0.26, 0.28))]
    recipe = transforms.Compose(steps)
    return lambda: recipe(picture)


def peer(arguments):
    import torch

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    device = torch.device("cuda" if arguments.device.startswith("cuda") else "cpu")
    dtype = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[arguments.dtype]
    model, forward = network(arguments.arch)
    model.eval().requires_grad_(False).to(device, dtype)
    layout = torch.channels_last if arguments.channels_last else torch.contiguous_format
    if arguments.channels_last and arguments.arch == "inception":
        model.to(memory_format=layout)
    side, results = SIDES[arguments.arch], []
    with torch.inference_mode():
        measure(results, "preprocessing", 1, arguments.runs, preprocessing(arguments.arch))
        for batch in map(int, arguments.batch.split(",")):
            pixels = torch.randn(batch, 3, side, side, device=device, dtype=dtype).contiguous(memory_format=layout)
            measure(results, "judging", batch, arguments.runs, lambda: forward(pixels))
    return results


def run_program(arguments, arch):
    command = [arguments.program, "bench", "judge", "--json", "--arch", arch, "--batch", arguments.batch]
    command += ["--runs", str(arguments.runs), "--dtype", arguments.dtype, "--device", arguments.device]
    environment = dict(os.environ, RAYON_NUM_THREADS=str(arguments.threads))
    if arguments.level:
        environment["MITUNE_CPU_LEVEL"] = arguments.level
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(output.stdout)["measurements"]


def run_peer(arguments, arch):
    environment = dict(os.environ, **LEVELS.get(arguments.level, {}))
    # The last of repeated options counts.
    command = [sys.executable, __file__, *sys.argv[1:], "--arch", arch, "--peer-only"]
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(output.stdout)


def compared(arguments, arch):
    """One row per piece of work."""
    rounds = [(run_program(arguments, arch), run_peer(arguments, arch)) for _ in range(arguments.rounds)]
    for position, first in enumerate(rounds[0][1]):
        same = lambda entry: (entry["work"], entry["batch"]) == (first["work"], first["batch"])
        ours = [next(filter(same, one[0])) for one in rounds]
        theirs = [one[1][position] for one in rounds]
        for entry in ours:
            # Memory of the device where there is one, as the peer counts it.
            entry["peak_bytes"] = entry["device_bytes"] or entry["peak_bytes"]
        median = lambda entries, key: statistics.median(entry[key] or 0 for entry in entries)
        row = {"arch": arch, "work": first["work"], "batch": first["batch"]}
        row["seconds"] = [median(ours, "seconds"), median(theirs, "seconds")]
        row["images_per_second"] = [row["batch"] / seconds for seconds in row["seconds"]]
        row["speed_ratio"] = row["seconds"][1] / row["seconds"][0]
        row["mebibytes"] = [median(entries, "peak_bytes") / 2**20 for entries in (ours, theirs)]
        row["memory_ratio"] = row["mebibytes"][1] / max(row["mebibytes"][0], 1e-9)
        yield row


def main():
    arguments = options()
    unknown = [arch for arch in arguments.arch.split(",") if arch not in SIDES]
    if unknown:
        sys.exit(f"unknown architectures: {', '.join(unknown)}; known are {', '.join(SIDES)}")
    if arguments.peer_only:
        print(json.dumps(peer(arguments)))
        return
    if not arguments.json:
        import torch
        import transformers

        level = arguments.level or "the best level"
        print(f"{level}, {arguments.threads} threads, {arguments.rounds} rounds of {arguments.runs}, {arguments.dtype}")
        print(f"against torch {torch.__version__}, transformers {transformers.__version__}")
        heads = ("mitune s", "peer s", "images/s", "peer", "speed", "MiB", "peer MiB", "memory")
        print(f"{'architecture':14} {'work':13} {'batch':>5} " + " ".join(f"{head:>8}" for head in heads))
    rows = []
    for arch in arguments.arch.split(","):
        for row in compared(arguments, arch):
            rows.append(row)
            if arguments.json:
                continue
            numbers = [f"{seconds:8.4f}" for seconds in row["seconds"]]
            numbers += [f"{rate:8.2f}" for rate in row["images_per_second"]] + [f"{row['speed_ratio']:8.2f}"]
            numbers += [f"{size:8.0f}" for size in row["mebibytes"]] + [f"{row['memory_ratio']:8.2f}"]
            print(f"{row['arch']:14} {row['work']:13} {row['batch']:5} " + " ".join(numbers), flush=True)
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
