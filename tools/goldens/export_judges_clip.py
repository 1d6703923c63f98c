"""Writes what transformers, open_clip and LAION's predictors say of pictures and prompts, with tiny random networks.

Weights follow from a seed and the tensor's name, see `seeded.py`, unless a file's layout is under test.

Run: python tools/goldens/export_judges_clip.py judges/tests/golden/clip
"""

import importlib.util
import io
import json
import sys
import types
from pathlib import Path

import ftfy
import numpy as np
import open_clip
import open_clip.tokenizer
import seeded
import torch
from open_clip.tokenizer import SimpleTokenizer, bytes_to_unicode, get_clean_fn
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

# The package asks for what its networks do not need, and comes without its vocabulary.
package = types.ModuleType("hpsv2")
package.__path__ = list(importlib.util.find_spec("hpsv2").submodule_search_locations)
sys.modules["hpsv2"] = package
sys.modules["hpsv2.src.open_clip.tokenizer"] = open_clip.tokenizer

from hpsv2.src.open_clip import CLIP, CustomTextCLIP  # noqa: E402
from hpsv2.src.open_clip.transform import image_transform  # noqa: E402

TOKENIZER = Path(__file__).parents[2] / "diffusion/tests/golden/tokenizer/plain"
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
END = "<|endoftext|>"
START = "<|startoftext|>"

PROMPTS = [
    "a red circle and a blue square",
    "",
    "Café &amp; \u201cquoted\u201d it\u2019s 3.5 \u4f60\u597d \U0001f680",
    "a red circle " * 12,
    "a <|endoftext|> circle",
    "  A   RED\n\tcircle!  ",
]

CLEANED = PROMPTS + [
    "salt &amp;amp;amp; pepper",
    "1 < 2 &amp;amp; &amp;lt;",
    "line &lt;\nb <i> &amp;lt; \n c &amp;lt;",
    "P&EACUTE;REZ &SZLIG; &NTILDE; &nTILDE;",
    "this&notit; &notanentity &#x41;&#65 &#0; &#x80; &#xD800; &#99999999999; &#59; &; &#; &#x;",
    "\uff2c\uff2f\uff35\uff24\u3000\ufb02u\ufb03e\ufb05 \uff76\uff9e \uffe5",
    "\u0132 \u0133 \u0149 \u01c4 \u01c5 \u01c6 \u01c7 \u01c8 \u01c9 \u01ca \u01cb \u01cc \u01f1 \u01f2 \u01f3",
    "cafe\u0301 \u1e9b\u0323 \u212b \u0130 \u03a3\u0391\u03a3 \u1fb3",
    "\x1b[36;44mblue\x1b[0m \x1b[x \x1b[1;2",
    "a\x00b\ufeffc\u206ad\ufffce\x7f \x1c \x85 \u2028 \u00a0 \u200b x",
    "``quoted'' \u00abx\u00bb \u2039y\u203a \u201a\u201b\u201e\u201f \u02bc",
    "100% \u2026 \u2014 \u2013 \u20ac \u00a3 \u00bd \u00b2",
    "&hellip;&mdash;&euro;&nbsp;&zwj;&Jscr;&bne;&fjlig;&CounterClockwiseContourIntegral;",
    "a\r\nb\rc\n\nd",
]


def rows(tensor) -> list:
    return tensor.detach().double().tolist()


def clip_config(text: dict, vision: dict, projection: int) -> dict:
    return dict(
        model_type="clip",
        architectures=["CLIPModel"],
        projection_dim=projection,
        text_config=dict(model_type="clip_text_model", **text),
        vision_config=dict(model_type="clip_vision_model", **vision),
    )


def model_of(config: dict, seed: int, scale: float) -> CLIPModel:
    settings = {key: value for key, value in config.items() if key not in ("model_type", "architectures")}
    model = seeded.fill(CLIPModel(CLIPConfig(**settings)), seed)
    with torch.no_grad():
        model.logit_scale.fill_(scale)
    return model


def text_size(width, heads, layers, vocabulary, tokens, end, act) -> dict:
    return dict(
        hidden_size=width,
        intermediate_size=2 * width,
        num_attention_heads=heads,
        num_hidden_layers=layers,
        vocab_size=vocabulary,
        max_position_embeddings=tokens,
        bos_token_id=vocabulary - 2,
        eos_token_id=end,
        pad_token_id=vocabulary - 1,
        hidden_act=act,
    )


def vision_size(width, heads, layers, image, patch, act) -> dict:
    return dict(
        hidden_size=width,
        intermediate_size=3 * width,
        num_attention_heads=heads,
        num_hidden_layers=layers,
        image_size=image,
        patch_size=patch,
        hidden_act=act,
    )


@torch.no_grad()
def random_cases() -> list:
    cases = []
    sizes = [
        (text_size(24, 3, 2, 40, 12, 39, "quick_gelu"), vision_size(24, 3, 2, 16, 4, "quick_gelu"), 12),
        (text_size(32, 2, 1, 50, 20, 2, "gelu"), vision_size(80, 1, 2, 42, 14, "gelu"), 20),
        (text_size(16, 2, 2, 44, 9, 2, "quick_gelu"), vision_size(40, 4, 3, 23, 5, "quick_gelu"), 8),
        (text_size(26, 2, 2, 44, 17, 43, "gelu"), vision_size(26, 2, 1, 28, 7, "gelu"), 10),
    ]
    for seed, (text, vision, projection) in enumerate(sizes, 31):
        config = clip_config(text, vision, projection)
        scale = 0.5 + seed / 100
        model = model_of(config, seed, scale)
        side, tokens, vocabulary = vision["image_size"], text["max_position_embeddings"], text["vocab_size"]
        images = seeded.inputs(seed, "images", (3, side, side, 3))
        drawn = (seeded.uniform(seed, "ids", 3 * tokens).reshape(3, tokens) + 1) / 2
        ids = (drawn * (vocabulary - 3)).astype(int)
        ids[:, 0] = vocabulary - 2
        for row, length in enumerate([2, 5, tokens]):
            ids[row, length - 1 :] = vocabulary - 1
        output = model(input_ids=torch.tensor(ids), pixel_values=images.permute(0, 3, 1, 2))
        vision_output = model.get_image_features(images.permute(0, 3, 1, 2))
        text_output = model.get_text_features(torch.tensor(ids))
        cases.append(
            dict(
                seed=seed,
                config=config,
                logit_scale=float(model.logit_scale),
                ids=ids.tolist(),
                image_features=rows(vision_output.pooler_output),
                text_features=rows(text_output.pooler_output),
                logits_per_image=rows(output.logits_per_image),
            )
        )
    return cases


def simple_tokenizer(length: int) -> SimpleTokenizer:
    """open_clip's tokenizer on a small vocabulary."""
    tokenizer = SimpleTokenizer(context_length=length)
    vocabulary = json.loads((TOKENIZER / "vocab.json").read_text())
    lines = (TOKENIZER / "merges.txt").read_text().split("\n")
    merges = [tuple(line.split()) for line in lines if line and not line.startswith("#version")]
    tokenizer.encoder = dict(vocabulary)
    tokenizer.bpe_ranks = dict(zip(merges, range(len(merges))))
    tokenizer.sot_token_id, tokenizer.eot_token_id = vocabulary[START], vocabulary[END]
    assert set(bytes_to_unicode().values()) <= set(vocabulary)
    return tokenizer


def pictures(folder: Path) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(7)

    def smooth(height, width, channels):
        small = Image.fromarray(noise.integers(0, 256, (5, 5, 4), dtype=np.uint8), "RGBA")
        large = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
        return large[..., :channels] if channels > 1 else large[..., 0]

    made = {
        "rgb.png": Image.fromarray(smooth(28, 41, 3)),
        "alpha.png": Image.fromarray(smooth(37, 24, 4), "RGBA"),
        "grey.png": Image.fromarray(smooth(19, 19, 1)),
        "palette.png": Image.fromarray(smooth(30, 22, 3)).quantize(16),
        "one.png": Image.new("RGB", (1, 1), (200, 30, 90)),
        "photo.jpg": Image.fromarray(smooth(40, 36, 3)),
    }
    for name, image in made.items():
        image.save(folder / name)
    return {name: Image.open(io.BytesIO((folder / name).read_bytes())) for name in made}


def openai_preprocess(side: int):
    return Compose(
        [
            Resize(side, interpolation=InterpolationMode.BICUBIC),
            CenterCrop(side),
            lambda image: image.convert("RGB"),
            ToTensor(),
            Normalize(MEAN, STD),
        ]
    )


def cosines(images, texts):
    images = images / images.norm(dim=-1, keepdim=True)
    texts = texts / texts.norm(dim=-1, keepdim=True)
    return (images * texts).sum(dim=-1)


@torch.no_grad()
def transformers_judges(images: dict, folder: Path) -> dict:
    vocabulary = len(json.loads((TOKENIZER / "vocab.json").read_text()))
    length = 16
    text = text_size(32, 4, 2, vocabulary, length, vocabulary - 1, "quick_gelu")
    vision = vision_size(48, 4, 2, 20, 5, "quick_gelu")
    config = clip_config(text, vision, 12)
    seed, scale = 77, 1.25
    model = model_of(config, seed, scale)
    pairs = [(name, prompt) for name in images for prompt in PROMPTS]
    # openai/CLIP's preprocessing and tokens.
    prepare, tokenizer = openai_preprocess(20), simple_tokenizer(length)
    pixels = {name: prepare(image)[None] for name, image in images.items()}
    features = {name: model.get_image_features(value).pooler_output for name, value in pixels.items()}
    texts = {prompt: model.get_text_features(tokenizer([prompt])).pooler_output for prompt in PROMPTS}
    score = [float(cosines(features[name], texts[prompt])) for name, prompt in pairs]
    captions = {prompt: tokenizer([f"A photo depicts {prompt}"]) for prompt in PROMPTS}
    captions = {prompt: model.get_text_features(ids).pooler_output for prompt, ids in captions.items()}
    hessel = [2.5 * max(float(cosines(features[name], captions[prompt])), 0.0) for name, prompt in pairs]
    # transformers' processor, as the code of PickScore uses it.
    processor = CLIPImageProcessorPil(size={"shortest_edge": 20}, crop_size={"height": 20, "width": 20})
    words = CLIPTokenizer.from_pretrained(TOKENIZER)
    encode = dict(padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    pick = []
    for name, prompt in pairs:
        image = torch.as_tensor(np.stack(processor([images[name].convert("RGB")])["pixel_values"]))
        output = model(input_ids=words(prompt, **encode)["input_ids"], pixel_values=image)
        pick.append(float(output.logits_per_image))
    return dict(
        config=config,
        seed=seed,
        logit_scale=scale,
        pairs=pairs,
        clip_score=score,
        hessel=hessel,
        pick_score=pick,
        **aesthetics(features, folder),
    )


class Predictor(torch.nn.Module):
    """The `MLP` of improved-aesthetic-predictor with other widths: linear layers with dropout between them."""

    def __init__(self, widths, activation):
        super().__init__()
        layers = []
        for index, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
            layers.append(torch.nn.Linear(inputs, outputs))
            if index < 3:
                layers += ([torch.nn.ReLU()] if activation else []) + [torch.nn.Dropout(0.1)]
            elif activation and index == 3:
                layers.append(torch.nn.ReLU())
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


def aesthetics(features: dict, folder: Path) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    first = seeded.fill(torch.nn.Linear(12, 1), 5)
    second = seeded.fill(Predictor([12, 10, 8, 6, 4, 1], False), 6)
    other = seeded.fill(Predictor([12, 10, 8, 6, 4, 1], True), 6)
    assert [name for name in second.state_dict() if "weight" in name] == [
        f"layers.{index}.weight" for index in (0, 2, 4, 6, 7)
    ]
    torch.save(first.state_dict(), folder / "sa_0_4_vit_l_14_linear.pth")
    torch.save(second.state_dict(), folder / "sac+logos+ava1-l14-linearMSE.pth")
    torch.save(other.state_dict(), folder / "ava+logos-l14-reluMSE.pth")
    unit = {name: value / value.norm(dim=-1, keepdim=True) for name, value in features.items()}
    return dict(
        pictures=list(unit),
        aesthetic_v1=[float(first(value)) for value in unit.values()],
        aesthetic_v2=[float(second(value)) for value in unit.values()],
    )


@torch.no_grad()
def hps_judge(images: dict, folder: Path, kind, seed: int) -> dict:
    vocabulary = len(json.loads((TOKENIZER / "vocab.json").read_text()))
    config = dict(
        embed_dim=24,
        vision_cfg=dict(image_size=28, layers=2, width=40, head_width=10, patch_size=7),
        text_cfg=dict(context_length=16, vocab_size=vocabulary, width=24, heads=3, layers=2),
    )
    model = seeded.fill(kind(**config), seed)
    folder.mkdir(parents=True, exist_ok=True)
    # Files hold halves, so halves are what the reference is given, to compute with in f32.
    state = {name: value.half() for name, value in model.state_dict().items()}
    torch.save({"state_dict": state}, folder / "HPS_v2_compressed.pt")
    model.load_state_dict({name: value.float() for name, value in state.items()})
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}) + "\n")
    tokenizer = simple_tokenizer(16)
    prepare = image_transform(28, is_train=False, resize_longest_max=True)
    pairs, scores = [], []
    for name, image in images.items():
        pixels = prepare(image.convert("RGB"))[None]
        for prompt in PROMPTS:
            output = model(pixels, tokenizer([prompt]))
            pairs.append((name, prompt))
            scores.append(float((output[0] @ output[1].T).squeeze()))
    return dict(pairs=pairs, scores=scores)


def write(path: Path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=True, indent=None, separators=(",", ":")) + "\n")


def main():
    out = Path(sys.argv[1])
    print("ftfy", ftfy.__version__, "open_clip", open_clip.__version__)
    clean, tokenizer = get_clean_fn("lower"), simple_tokenizer(77)
    write(out / "cleaned.json", [[prompt, clean(prompt), tokenizer.encode(prompt)] for prompt in CLEANED])
    write(out / "random.json", random_cases())
    images = pictures(out / "pictures")
    write(out / "transformers.json", transformers_judges(images, out / "heads"))
    write(out / "hps.json", hps_judge(images, out / "hps", CLIP, 91))
    write(out / "hps_custom.json", hps_judge(images, out / "hps_custom", CustomTextCLIP, 92))


if __name__ == "__main__":
    main()
