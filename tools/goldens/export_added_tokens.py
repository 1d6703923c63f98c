"""Writes what transformers' CLIPTokenizer makes of prompts with tokens that were added in training.

Run: python tools/goldens/export_added_tokens.py diffusion/tests/golden/tokenizer

Reads `plain/vocab.json` and `plain/merges.txt` there, and writes `added.json`: for every case the other files of its
folder, and the ids of every prompt.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import transformers
from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
ROLES = dict(bos_token=START, eos_token=END, unk_token=END, pad_token=END)
PROMPTS = [
    "a photo of <my-cat>",
    "a photo of a cat",
    "<my-cat>",
    "<My-Cat> and <MY-CAT>",
    "a<my-cat>b",
    " <my-cat> , <my-cat>\n<my-cat>",
    "two  <left>  words",
    "two  <right>  words",
    "two<left>words<right>two",
    "a catlike zog, zog and zogs; ZOG",
    "zog",
    "azog zog1 zog-zog _zog_ (zog)",
    "<style> of <Style> and <STYLE>",
    "Café café CAFÉ",
    "sks dog",
    "SKS dog sksdog",
    "<pad> <extra> <other>",
    "<extra>red<extra>",
    "red <|endoftext|> blue <|startoftext|>",
    "",
    "<my-cat> " * 20,
    "red blue green circle square photograph of an astronaut riding a horse highly detailed",
    "<my-cat>_1 <my-dog>",
]
FLAGS = dict(lstrip=False, normalized=True, rstrip=False, single_word=False, special=False)


def cases(size):
    config = dict(ROLES, model_max_length=16, tokenizer_class="CLIPTokenizer")
    names = ["<my-cat>", "zog", "sks", "<Style>", "<pad>", "<extra>", "Café"]
    added = {name: size + number for number, name in enumerate(names)}
    decoder = {
        size: dict(FLAGS, content="<my-cat>"),
        size + 1: dict(FLAGS, content="zog", single_word=True),
        size + 2: dict(FLAGS, content="<left>", lstrip=True),
        size + 3: dict(FLAGS, content="<right>", rstrip=True),
        size + 4: dict(FLAGS, content="<Style>", normalized=False),
        size + 5: dict(FLAGS, content="<extra>", normalized=False, special=True),
        size + 6: dict(FLAGS, content="Café", single_word=True, lstrip=True, rstrip=True),
    }
    decoder = {str(index): token for index, token in decoder.items()}
    known = {str(size - 2): dict(FLAGS, content=START, special=True), str(size - 1): dict(FLAGS, content=END, special=True)}
    strings = dict(ROLES, additional_special_tokens=["<extra>", "<my-cat>"])
    objects = dict(
        ROLES,
        pad_token=dict(FLAGS, content="<pad>", normalized=False),
        additional_special_tokens=["<extra>"],
    )
    for value in objects.values():
        for token in value if isinstance(value, list) else [value]:
            if isinstance(token, dict):
                token.pop("special")
    return {
        "added": {"tokenizer_config.json": config, "added_tokens.json": added},
        "decoder": {"tokenizer_config.json": dict(config, added_tokens_decoder=known | decoder)},
        "decoder_and_added": {
            "tokenizer_config.json": dict(config, added_tokens_decoder=decoder),
            "added_tokens.json": {"<other>": size + 7},
        },
        "special_texts": {
            "tokenizer_config.json": config,
            "added_tokens.json": added,
            "special_tokens_map.json": strings,
        },
        "special_objects": {
            "tokenizer_config.json": config,
            "added_tokens.json": added,
            "special_tokens_map.json": objects,
        },
        "map_before_config": {
            "tokenizer_config.json": dict(config, pad_token="!"),
            "special_tokens_map.json": ROLES,
        },
        "decoder_before_map": {
            "tokenizer_config.json": dict(config, pad_token="!", added_tokens_decoder=known),
            "special_tokens_map.json": ROLES,
        },
        "left": {
            "tokenizer_config.json": dict(config, padding_side="left", truncation_side="left", pad_token="!"),
            "added_tokens.json": added,
        },
        "split_special_tokens": {
            "tokenizer_config.json": dict(config, split_special_tokens=True, added_tokens_decoder=known | decoder),
        },
    }


def encode(folder):
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    return tokenizer, tokenizer(PROMPTS, padding="max_length", truncation=True)["input_ids"]


def main():
    out = Path(sys.argv[1])
    size = len(json.loads((out / "plain/vocab.json").read_text()))
    golden = {"transformers": transformers.__version__, "prompts": PROMPTS, "cases": {}}
    for name, files in cases(size).items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "tokenizer"
            folder.mkdir()
            for file in ("vocab.json", "merges.txt"):
                shutil.copy(out / "plain" / file, folder / file)
            for file, contents in files.items():
                (folder / file).write_text(json.dumps(contents))
            tokenizer, ids = encode(folder)
            golden["cases"][name] = {"files": files, "ids": ids}
            # The same as transformers 5 saves it, in one file; the vocabulary is put in again where it is read.
            saved = Path(temporary) / "saved"
            tokenizer.save_pretrained(saved)
            whole = json.loads((saved / "tokenizer.json").read_text())
            for part in ("vocab", "merges"):
                whole["model"][part] = None
            files = {"tokenizer.json": whole, "tokenizer_config.json": json.loads((saved / "tokenizer_config.json").read_text())}
            golden["cases"]["saved_" + name] = {"files": files, "ids": encode(saved)[1]}
    (out / "added.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
