"""Writes tiny BLIPs and what their own code says: BlipForQuestionAnswering of transformers, asked by T2I-CompBench's
rules, ImageReward's package, and BertTokenizer.

Run: python tools/goldens/export_judges_blip.py judges/tests/golden/blip
"""

import importlib
import importlib.util
import json
import random
import re
import sys
import types
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from transformers import BertConfig, BertTokenizer, BlipConfig, BlipForQuestionAnswering

import seeded

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


# The vocabulary and its table


def vocabulary():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + list("0123456789")
    letters += list("\u00df\u0111\u0131\u03b1\u03c3\u03c2\u0436\u05d0\u3042\u1100\u1161")
    tokens += letters + ["##" + letter for letter in letters]
    tokens += ["\u4f60", "\u597d", "\u4e16", "\U00020000", "\U0001f600", "\u2026", "\u2014", "\u00bf"]
    tokens += "yes no a red blue apple apples circle the and of on left photo cup".split()
    tokens += "##s ##ing ##ed ##pp ##le ed 19 ##00".split()
    return list(dict.fromkeys(tokens))


FIXED = [
    "", " ", "\t\n", "a red apple", "A RED  Apple\tand\r\na BLUE cup.",
    "caf\u00e9 cafe\u0301 \u00c5ngstr\u00f6m \u0130stanbul",
    "\u4f60\u597d\u4e16\u754c and \U00020000", "\U0001f600 apple\U0001f600", "\U0001f469\u200d\U0001f680 \u2764\ufe0f",
    "\u00dfe stra\u00dfe \u0111o", "\u039f\u03a3 \u03c3\u03c2", "\ud55c\uad6d", "\u05d0\u05b8 \u3042\u304b\u3099",
    "\x00con\x07trol\x7f \u0085 \ufffd end", "\u200bzero\u200dwidth\ufeff \u00ad",
    "\u00a0nbsp\u2003em\u3000ideographic\u2028line",
    "it's don't, e.g. (round) \"quoted\" a_b-c/d", "\u00bfwhat\u2014is\u2026 this?", "1900 19 1 900", "apples applesapple",
    "word " * 60, "apple " * 33, "apple " * 34, "x" * 99, "x" * 100, "x" * 101,
    "[CLS] [SEP] [PAD] [MASK] [UNK] [cls] [DEC] [ENC] [dec]", "a[SEP]b", "[ SEP ]",
    "\ufb01ne \u2460 \u00b2 \u216b \u01c5", "\u0e17\u0e14 \u0928\u093f", "\u06f1\u0664", "a\u0301\u0302\u0303b",
    "\ue000private\U000f0000", "a\u1680b\u180ec", "\U0001d400\U0001d41a",
]
ALPHABET = (
    "ab cd  appleredEDX019 \t.,!?'-()[]/\u00e9\u00c9\u00df\u0130\u03a3\u0416\u05d0\u4f60\u597d\u3042\uac00"
    "\u0301\u0308\u200d\u00ad\U0001f600\u2026"
)


def tokenizer(vocab):
    made = BertTokenizer(vocab={token: index for index, token in enumerate(vocab)})
    made.add_special_tokens({"bos_token": "[DEC]"})
    try:
        made.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    except Exception:
        made.add_special_tokens({"extra_special_tokens": ["[ENC]"]})
    assert made.convert_tokens_to_ids(["[DEC]", "[ENC]"]) == [len(vocab), len(vocab) + 1]
    return made


def export_tokens(out, made):
    drawn = random.Random(7)
    texts = FIXED + ["".join(drawn.choices(ALPHABET, k=drawn.randint(1, 30))) for _ in range(240)]
    rows = [{"text": text, "ids": made(text, truncation=True, max_length=35)["input_ids"]} for text in texts]
    write(out / "tokenizer.json", rows)


# Questions


def vqa_config(seed, vision, text, tokens):
    return BlipConfig(
        vision_config=vision,
        text_config=dict(vocab_size=tokens, bos_token_id=tokens - 2, max_position_embeddings=40, **text),
        architectures=["BlipForQuestionAnswering"],
    )


def written(config):
    """The configuration as a file has it."""
    fields = json.loads(config.to_json_string(use_diff=False))
    fields["architectures"] = ["BlipForQuestionAnswering"]
    return fields


def first_logits(model, pixels, ids, mask):
    """The first logits of each question alone: transformers 5.24 adds a mask of truth values to scores, which leaves
    padding in; the original code leaves it out, so a question says the same beside any other."""
    each = len(ids) // len(pixels)
    rows = []
    for row in range(len(ids)):
        there = int(mask[row].sum())
        image = pixels[row // each : row // each + 1]
        rows.append(first_logits_without_padding(model, image, ids[row : row + 1, :there]))
    return torch.cat(rows)


@torch.no_grad()
def first_logits_without_padding(model, pixels, ids):
    """What the model's own forward pass computes before it throws the logits away."""
    mask = torch.ones_like(ids)
    image = model.vision_model(pixel_values=pixels, interpolate_pos_encoding=True).last_hidden_state
    image = image.repeat_interleave(len(ids) // len(image), 0)
    seen = torch.ones(image.shape[:-1], dtype=torch.long)
    question = model.text_encoder(
        input_ids=ids, attention_mask=mask, encoder_hidden_states=image, encoder_attention_mask=seen
    ).last_hidden_state
    start = torch.full((len(ids), 1), model.decoder_start_token_id)
    answer = model.text_decoder(input_ids=start, encoder_hidden_states=question, encoder_attention_mask=mask)
    return answer.logits[:, 0]


def padded(ids, length, padding=0):
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in ids])
    return torch.tensor([list(row) + [padding] * (length - len(row)) for row in ids]), mask


CASES = [
    # vision (width, inner width, layers, heads, image, patch, epsilon), text, side, images, questions
    (dict(w=24, i=40, n=2, h=3, image=24, patch=8, eps=1e-6), dict(i=48, n=2, h=2), 24, 1, 4),
    (dict(w=32, i=64, n=3, h=4, image=20, patch=4, eps=None), dict(i=32, n=3, h=None), 20, 2, 4),
    (dict(w=16, i=24, n=1, h=1, image=24, patch=4, eps=1e-5), dict(i=20, n=2, h=4), 30 * 4, 1, 3),
    (dict(w=48, i=96, n=2, h=2, image=30, patch=6, eps=1e-6), dict(i=64, n=1, h=3), 18, 3, 3),
]


def export_vqa(out, tokens):
    rows = []
    for seed, (v, t, side, images, questions) in enumerate(CASES, start=300):
        vision = dict(hidden_size=v["w"], intermediate_size=v["i"], num_hidden_layers=v["n"])
        vision |= dict(num_attention_heads=v["h"], image_size=v["image"], patch_size=v["patch"])
        vision |= dict(layer_norm_eps=v["eps"]) if v["eps"] else {}
        text = dict(hidden_size=v["w"], intermediate_size=t["i"], num_hidden_layers=t["n"])
        text |= dict(num_attention_heads=t["h"]) if t["h"] else {}
        config = vqa_config(seed, vision, text, tokens)
        model = seeded.fill(BlipForQuestionAnswering(config), seed)
        drawn = random.Random(seed)
        words = [drawn.choices(range(5, tokens - 2), k=drawn.randint(1, 12)) for _ in range(questions)]
        ids = [[tokens - 1] + row + [3] for row in words]
        length = max(map(len, ids)) + seed % 2
        pixels = seeded.inputs(seed, "pixels", (images, side, side, 3)).permute(0, 3, 1, 2)
        logits = first_logits(model, pixels, *padded(ids, length))
        row = dict(seed=seed, config=written(config), side=side, images=images, ids=ids, length=length)
        rows.append(row | dict(logits=logits.tolist()))
    write(out / "vqa.json", rows)


# Pictures


def export_pictures(out):
    out.mkdir(parents=True, exist_ok=True)

    def gradient(width, height, channels, phase):
        y, x = np.mgrid[0:height, 0:width].astype(np.float64)
        planes = [127.5 + 127.5 * np.sin(x / (5 + c) + y / (7 - c) + phase * (c + 1)) for c in range(channels)]
        return np.stack(planes, -1).round().astype(np.uint8)

    Image.fromarray(gradient(224, 100, 3, 0.3)).save(out / "wide.png", optimize=True)
    Image.fromarray(gradient(30, 61, 4, 1.0)).save(out / "alpha.png", optimize=True)
    Image.fromarray(gradient(25, 20, 1, 2.0)[..., 0]).save(out / "grey.png", optimize=True)
    Image.fromarray(gradient(1, 1, 3, 0.7)).save(out / "pixel.png")
    Image.fromarray(gradient(96, 96, 3, 0.1)).quantize(16).save(out / "palette.png", optimize=True)


# The whole judge of questions


def pre_question(question, most=50):
    """T2I-CompBench's `pre_question`."""
    question = re.sub(r"([.!\"()*#:;~])", "", question.lower()).rstrip(" ")
    words = question.split(" ")
    return " ".join(words[:most]) if len(words) > most else question


@torch.no_grad()
def export_vqa_folder(out, pictures, made, vocab):
    tokens = len(vocab) + 2
    sizes = dict(hidden_size=24, intermediate_size=32, num_hidden_layers=1)
    vision = dict(num_attention_heads=2, image_size=384, patch_size=16, layer_norm_eps=1e-5, **sizes)
    text = dict(num_attention_heads=3, **sizes)
    config = vqa_config(0, vision, text, tokens)
    model = seeded.fill(BlipForQuestionAnswering(config), 310)
    # Answers that differ from each other, and are yes more often than no, need other weights than those of the seeds.
    model.text_decoder.cls.predictions.bias[vocab.index("yes")] += 4.2
    for name, parameter in model.named_parameters():
        if "crossattention" in name or "position_embedding" in name:
            parameter.mul_(8.0 if "crossattention" in name else 40.0)
    model = model.half()
    model.save_pretrained(out)
    model = model.float()
    (out / "config.json").write_text(json.dumps(written(config), indent=1))
    (out / "generation_config.json").unlink(missing_ok=True)
    write_vocabulary(out, vocab)
    square = transforms.Compose([
        transforms.Resize((480, 480), interpolation=InterpolationMode.BICUBIC),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ])
    asked = [
        ("wide.png", ["a red apple", "the Blue (round) cup!", "two apples"]),
        ("alpha.png", ["the left"]),
        ("grey.png", ["a \U0001f600", "\u4f60\u597d", "word " * 60, "a cup, and a photo"] + ["apple"] * 6),
        ("palette.png", ["", "a photo of 1900 apples"]),
        ("wide.png", []),
    ]
    yes, no = vocab.index("yes"), vocab.index("no")
    rows = []
    for name, chunks in asked:
        questions = [pre_question(f"{chunk}?") for chunk in chunks]
        image = square(Image.open(pictures / name).convert("RGB"))[None]
        row = dict(picture=name, chunks=chunks)
        for key, first in (("probabilities", tokens - 1), ("plain_probabilities", None)):
            row[key] = []
            if questions:
                inputs = made(questions, padding="longest", truncation=True, max_length=35, return_tensors="pt")
                if first is not None:
                    inputs.input_ids[:, 0] = first
                logits = first_logits(model, image, inputs.input_ids, inputs.attention_mask)
                prob = torch.softmax(logits, dim=1)
                share = prob[:, yes] / (prob[:, yes] + prob[:, no])
                row[key] = share.tolist()
        share = torch.tensor(row["probabilities"][:8])
        reward = torch.ones(8)
        for index, p in enumerate(share):
            # Nothing that another way of summing could tip over.
            assert abs((p.item() * 1e4) % 1 - 0.5) > 0.02, (name, index, p.item())
            reward[index] = float("{:.4f}".format(p))
        final = reward[:1].clone()
        for index in range(1, 8):
            final *= reward[index : index + 1]
        assert abs((final[0].item() * 1e4) % 1 - 0.5) > 0.02, (name, final)
        row["score"] = float("{:.4f}".format(final[0].item()))
        rows.append(row)
        print(name, row["probabilities"], row["plain_probabilities"], row["score"])
    write(out / "rows.json", rows)


# ImageReward's own code


def image_reward_modules():
    """The package's files, without the packages that only its training and its other judges need."""
    import timm.layers
    import transformers.modeling_utils
    import transformers.pytorch_utils

    def stub(name, **attributes):
        module = types.ModuleType(name)
        module.__dict__.update(attributes)
        sys.modules[name] = module

    for name in ["fairscale", "fairscale.nn", "fairscale.nn.checkpoint"]:
        stub(name)
    stub("fairscale.nn.checkpoint.checkpoint_activations", checkpoint_wrapper=lambda module: module)
    stub("timm.models.registry", register_model=lambda model: model)
    stub("timm.models.layers", trunc_normal_=timm.layers.trunc_normal_, DropPath=timm.layers.DropPath)
    stub("timm.models.helpers", named_apply=None, adapt_input_conv=None)
    stub("timm.models.hub", download_cached_file=None)
    # Moved or gone since the package was written; none changes a number of an inference.
    transformers.modeling_utils.apply_chunking_to_forward = transformers.pytorch_utils.apply_chunking_to_forward
    transformers.modeling_utils.find_pruneable_heads_and_indices = None
    transformers.modeling_utils.prune_linear_layer = None
    folder = Path(importlib.util.find_spec("timm").origin).parents[1] / "ImageReward"
    for name, path in [("ir", folder), ("ir.models", folder / "models"), ("ir.models.BLIP", folder / "models/BLIP")]:
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    vit = importlib.import_module("ir.models.BLIP.vit")
    med = importlib.import_module("ir.models.BLIP.med")
    reward = importlib.import_module("ir.ImageReward")
    med.BertPreTrainedModel.get_head_mask = lambda self, mask, layers: [None] * layers
    med.BertPreTrainedModel.invert_attention_mask = lambda self, mask: (
        (1.0 - mask[:, None, None, :].to(self.dtype)) * torch.finfo(self.dtype).min
    )
    med.BertPreTrainedModel.init_weights = lambda self: None
    return vit, med, reward


def med_config(width, inner, layers, heads, tokens):
    return dict(
        architectures=["BertModel"],
        attention_probs_dropout_prob=0.1,
        hidden_act="gelu",
        hidden_dropout_prob=0.1,
        hidden_size=width,
        initializer_range=0.02,
        intermediate_size=inner,
        layer_norm_eps=1e-12,
        max_position_embeddings=40,
        model_type="bert",
        num_attention_heads=heads,
        num_hidden_layers=layers,
        pad_token_id=0,
        type_vocab_size=2,
        vocab_size=tokens,
        encoder_width=768,
        add_cross_attention=True,
    )


def reward_model(modules, vision, config, widths, made):
    """ImageReward around smaller parts of its own."""
    vit, med, reward = modules
    model = reward.ImageReward.__new__(reward.ImageReward)
    torch.nn.Module.__init__(model)
    model.device = "cpu"
    blip = torch.nn.Module()
    blip.visual_encoder = vit.VisionTransformer(
        img_size=vision["image"], patch_size=vision["patch"], embed_dim=vision["width"], depth=vision["layers"],
        num_heads=vision["heads"], mlp_ratio=vision["inner"] / vision["width"],
    )
    bert = BertConfig(**{key: value for key, value in config.items() if key not in ("architectures", "model_type")})
    bert.encoder_width, bert.add_cross_attention = vision["width"], True
    for name, value in dict(chunk_size_feed_forward=0, output_attentions=False, output_hidden_states=False).items():
        if not hasattr(bert, name):
            setattr(bert, name, value)
    blip.text_encoder = med.BertModel(config=bert, add_pooling_layer=False)
    blip.vision_proj = torch.nn.Linear(vision["width"], 8)
    blip.text_proj = torch.nn.Linear(config["hidden_size"], 8)
    blip.tokenizer = made
    model.blip = blip
    model.mlp = reward.MLP(widths[0])
    for index, (before, after) in zip([0, 2, 4, 6, 7], zip(widths, widths[1:])):
        model.mlp.layers[index] = torch.nn.Linear(before, after)
    model.preprocess = reward._transform(vision["image"])
    model.mean, model.std = 0.16717362830052426, 1.0333394966054072
    return model.eval()


@torch.no_grad()
def export_reward_network(out, modules, tokens):
    seed = 320
    vision = dict(width=128, inner=192, layers=3, heads=2, image=32, patch=8)
    config = med_config(48, 80, 3, 4, tokens)
    widths = [48, 24, 16, 12, 8, 1]
    model = seeded.fill(reward_model(modules, vision, config, widths, None), seed)
    drawn = random.Random(seed)
    ids = [[2] + drawn.choices(range(5, tokens), k=count) + [3] for count in (5, 1, 33, 0, 12)]
    length = 35
    pixels = seeded.inputs(seed, "pixels", (len(ids), 32, 32, 3)).permute(0, 3, 1, 2)
    rewards = model.score_gard(*padded(ids, length), pixels)[:, 0]
    raw = (rewards.double() * model.std + model.mean).tolist()
    case = dict(seed=seed, vision=vision, med_config=config, widths=widths, ids=ids, length=length, raw=raw)
    write(out / "image_reward_network.json", case)
    print("raw", raw)


@torch.no_grad()
def export_reward_folder(out, pictures, modules, made, vocab):
    out.mkdir(parents=True, exist_ok=True)
    vision = dict(width=64, inner=64, layers=1, heads=1, image=224, patch=16)
    config = med_config(32, 48, 2, 2, len(vocab) + 2)
    widths = [32, 24, 16, 12, 8, 1]
    model = seeded.fill(reward_model(modules, vision, config, widths, made), 330)
    model.blip.visual_encoder.pos_embed.mul_(20.0)
    model = model.half().float()
    tensors = model.state_dict()
    halves = ((name, value.half() if value.is_floating_point() else value) for name, value in tensors.items())
    torch.save(OrderedDict(halves), out / "ImageReward.pt")
    (out / "med_config.json").write_text(json.dumps(config, indent=1) + "\n")
    write_vocabulary(out, vocab)
    rows = []
    prompts = ["a red apple and a blue cup", "", "apple " * 50, "\u4f60\u597d caf\u00e9 \U0001f600 [SEP] A"]
    for picture in ["wide.png", "alpha.png", "grey.png", "pixel.png", "palette.png"]:
        for prompt in prompts if picture == "wide.png" else prompts[:1]:
            reward = model.score(prompt, Image.open(pictures / picture))
            rows.append(dict(picture=picture, prompt=prompt, reward=reward))
            print(picture, repr(prompt[:20]), reward)
    write(out / "rows.json", rows)


def write_vocabulary(out, vocab):
    (out / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf-8", newline="\n")


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=None, ensure_ascii=True) + "\n")


def main():
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    vocab = vocabulary()
    made = tokenizer(vocab)
    export_tokens(out, made)
    export_pictures(out / "pictures")
    export_vqa(out, len(vocab) + 2)
    export_vqa_folder(out / "blip_vqa", out / "pictures", made, vocab)
    modules = image_reward_modules()
    export_reward_network(out, modules, len(vocab) + 2)
    export_reward_folder(out / "image_reward", out / "pictures", modules, made, vocab)


if __name__ == "__main__":
    main()
