"""Writes where in their prompts transformers' tokenizer finds the tokens, as byte ranges.

Run after export_tokenizer.py, whose folders it reads:
python tools/goldens/export_token_spans.py diffusion/tests/golden/tokenizer
"""

import json
import sys
from pathlib import Path

import transformers
from transformers import CLIPTokenizer

PROMPTS = [
    "",
    " ",
    "a red circle and a blue square",
    "  A RED  Circle\tand\r\na   BLUE square\n",
    "a red car and a red car, a photograph of a red car",
    "horse's hat, they're we've 'tis",
    "caf\u00e9 cafe\u0301 A\u030a \u212b hat",
    "\u4f60\u597d a hat \u3053\u3093",
    "\U0001f469\u200d\U0001f680 riding \u2764\ufe0f",
    "12 x2 3.5, \u00bd",
    "hello!world!! (wow)",
    "\ufb01ne \u0130stanbul stra\u00dfe",
    "\u00a0nbsp\u2003em\u3000hat",
    "red <|endoftext|> circle",
    "a detailed digital painting of a highly detailed astronaut riding a horse on the left of a yellow square",
]


def byte_ranges(prompt, offsets):
    at = [len(prompt[:index].encode()) for index in range(len(prompt) + 1)]
    return [[at[start], at[end]] for start, end in offsets]


def main():
    out = Path(sys.argv[1])
    golden = {"transformers": transformers.__version__, "prompts": PROMPTS, "spans": {}}
    for name in ["plain", "saved"]:
        tokenizer = CLIPTokenizer.from_pretrained(out / name)
        encoded = tokenizer(PROMPTS, return_offsets_mapping=True, add_special_tokens=False)
        offsets = encoded["offset_mapping"]
        golden["spans"][name] = [byte_ranges(*pair) for pair in zip(PROMPTS, offsets)]
    text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
    (out / "spans.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
