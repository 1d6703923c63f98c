"""Writes what the chunker of noun phrases, as it is trained and measured in Python, makes of prompts, and what spaCy
found in some of T2I-CompBench's.

Run: python tools/goldens/export_judges_noun_phrases.py PARSES judges/tests/golden/noun_phrases.json
PARSES is a JSON file of spaCy's parses: {prompt: {"chunks": [..], "nouns": [..]}}.
"""

import json
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/noun_phrases"))

from noun_chunker import chunk, read_weights, tokens  # noqa: E402

FIXED = [
    "",
    " \t\u3000\n",
    "cat",
    "!!!",
    "three purple circles on the left of an orange square",
    "the book on the side of the table, the left, top; the right.",
    "An astronaut riding a horse on Mars, highly detailed, 8k, trending on artstation",
    "(masterpiece:1.2), [best quality], {a girl} | a \"blue\" dress / white\\black hair & hat + gloves = 2 * ~ <lora:x>",
    "portrait of a beautiful woman with long hair, by Greg Rutkowski and Alphonse Mucha, digital painting",
    "a dog's bone, the dogs' bones, a dog\u2019s bone, 'a' quoted dog', rock'n'roll o'clock ''s it's 's",
    "A PHOTO OF A CAT; A Photo Of A Cat: a photo. of! a? cat\u2026 a\u2014cat \u2013 \u201ca cat\u201d",
    "caf\u00e9 cafe\u0301 CAF\u00c9 \u00c9clair \u00aa\u00b5\u00ba \u00d7\u00f7 \u00b2\u00bd pi\u00f1ata",
    "\u732b\u304c\u5ea7\u3063\u3066\u3044\u308b\u3002\u3000\u72ac",
    "\u0645\u0646\u0638\u0631 \u0637\u0628\u064a\u0639\u064a \u05d7\u05ea\u05d5\u05dc \u0995\u09c1\u0995\u09c1\u09b0",
    "\U0001f469\u200d\U0001f680 rides \U0001f1e9\U0001f1ea a \u2764\ufe0f\u00a0horse\u2003\u20ac5",
    "\uff21\uff22\uff01\uff11 \uff08a cat\uff09",
    "\x00control\x07chars\x7f\u0085next\u1680ogham\u2028line\u2029end\ufeffbom\u180e",
    "a_b-c/d\\e 11:44 5k 3.14 1,000 post-it mid-air well-known",
]
WORDS = (
    "a an the red Blue two several dog cats bench's London of on next to and , . - is running with white wooden glass "
    "its they side left top bowl orange mirror standing old \u00e9toile 12 ! looks"
).split()


def drawn(parses):
    source = random.Random(20250119)
    known = sorted(parses)
    prompts = list(FIXED)
    for _ in range(120):
        prompts.append(" ".join(source.choices(WORDS, k=source.randint(1, 20))))
    for prompt in source.sample(known, 120):
        words = prompt.rstrip(".").split(" ")
        words[source.randrange(len(words))] = source.choice(WORDS)
        prompts.append(" ".join(words))
    characters = "abE \u00e9\u732b'\u2019-,.\u3000\u2014 "
    for _ in range(80):
        prompts.append("".join(source.choices(characters, k=source.randint(1, 30))))
    return [prompt for prompt in dict.fromkeys(prompts) if prompt.strip() not in parses]


def main():
    parses = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    weights = read_weights(ROOT / "judges/data/noun_chunker.bin")
    chunker = []
    for prompt in drawn(parses):
        chunks, nouns = chunk(prompt, *weights)
        words = [prompt[start:end] for start, end in tokens(prompt)]
        chunker.append({"prompt": prompt, "tokens": words, "chunks": chunks, "nouns": nouns})
    sample = random.Random(20250120).sample(sorted(parses), 300)
    unusual = [prompt for prompt in sorted(parses) if not prompt.isascii() or "'" in prompt or "-" in prompt]
    shipped = [{"prompt": prompt, **parses[prompt]} for prompt in dict.fromkeys(unusual + sample)]
    text = json.dumps({"chunker": chunker, "shipped": shipped}, indent=0)
    Path(sys.argv[2]).write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
