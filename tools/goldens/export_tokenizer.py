"""Writes small CLIP tokenizer folders and what transformers' CLIPTokenizer makes of many prompts.

Run: python tools/goldens/export_tokenizer.py diffusion/tests/golden/tokenizer
"""

import json
import random
import sys
from pathlib import Path

import transformers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

TEXT = """a red circle and a blue square, a green triangle above a yellow cross. two purple circles on the left
of an orange square; photograph of an astronaut riding a horse, highly detailed digital painting, it's the cat's
hat and they're happy, we've seen 1 2 3 4 shapes, I'll wait, he'd go. naive cafe resume uber strasse"""
ALPHABET = (
    "abc XYZ 0123456789 \t\n\r\u00a0\u2003\u3000 .,;:!?'\"()[]{}<>|/\\-_=+*&^%$#@~` "
    "\u00e9\u00c9\u00fc\u00df\u0130\u0131\u01c5\u03a3\u03c3\u03c2\u0416\u0436\u05d0\u0627\u0928\u093f\u4f60\u597d\ud55c\uac00\u3042"
    "\u0301\u0308\u200d\u200b\ufeff\ufb01\u2460\u00b2\u0664\u216b\U0001f600\U0001f469\U0001f3fd\U0001f680\u2764\ufe0f\u2026\u2014"
)
FIXED = [
    "",
    " ",
    "a red circle and a blue square",
    "A RED  Circle\tand\r\na   BLUE square\n",
    "\r\n\r\n",
    "it's the cat's hat, they're we've I'll he'd I'M DON'T 'tis ''s",
    "caf\u00e9 cafe\u0301 CAFE\u0301 \u00c5 A\u030a \u212b",
    "\u4f60\u597d\u4e16\u754c \ud55c\uad6d\uc5b4 \u3053\u3093\u306b\u3061\u306f",
    "\U0001f469\u200d\U0001f680 \U0001f44d\U0001f3fd \u2764\ufe0f :)",
    "1234 3.14 1,000 2nd x2 \u0664\u0665 \u00bd \u216b",
    "hello!world!! wow! !",
    "<|startoftext|>a red<|endoftext|> circle",
    "<|ENDOFTEXT|> <|StartOfText|> <|endoftext",
    "red!blue <|endoftext|>",
    "a_b-c/d\\e (f) [g] {h} \"i\" 'j'",
    "\ufb01ne \u01c5 \u0130stanbul STRASSE stra\u00dfe \u039f\u03a3",
    "word " * 40,
    "\u200bzero\u200bwidth\ufeff joiner\u200d",
    "\u00a0nbsp\u2003em\u3000ideographic",
    "\x00control\x07chars\x7f\u0085next",
    "http://example.org/?q=a+b&c=%20#x",
]


def prompts():
    source = random.Random(20240917)
    words = TEXT.split()
    drawn = list(FIXED)
    for _ in range(140):
        joined = source.choice([" ", "  ", "\n", ", ", "\r\n"]).join(source.choices(words, k=source.randint(1, 16)))
        drawn.append(source.choice([str.lower, str.upper, str.title, str])(joined))
    for _ in range(240):
        drawn.append("".join(source.choices(ALPHABET, k=source.randint(1, 24))))
    return drawn


WORDS = ["a", "red", "Circle", "and", "BLUE", "square,", "photograph", "of", "an", "astronaut", "riding", "horse's", "they're", "1234", "3.5"]
SEPARATORS = [" ", "  ", "\n", "\r\n", ", ", "\t", "-", ""]
# Ranges of code points that prompts of a kind are drawn from; the first kind is made of words.
KINDS = [
    [],
    [(0x20, 0x7E)],
    [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F)],
    [(0x00, 0x20), (0x61, 0x7A), (0x7F, 0xA0), (0x2000, 0x200F), (0x2028, 0x202F)],
    [(0x1F300, 0x1FAFF), (0x200D, 0x200D), (0xFE0F, 0xFE0F), (0x20, 0x20), (0x2600, 0x27BF), (0x1F1E6, 0x1F1FF)],
    [(0x20, 0x20), (0x20, 0x20), (0x61, 0x64), (0x0A, 0x0D)],
    [(0x370, 0x1CFF), (0x1E00, 0x1FFF), (0x2100, 0x218F)],
    [(0x3000, 0xD7FF), (0xE000, 0xFFFD)],
    [(0x10000, 0x2FFFF), (0xE0000, 0xE01EF), (0x10FFF0, 0x10FFFF)],
    [(0x1, 0xD7FF), (0xE000, 0x10FFFF)],
]
MANY = 5000


def drawn_prompt(index):
    """Prompt number `index`, from a SplitMix64 generator that the test in Rust has too."""
    state = index

    def below(bound):
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        word = state
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
        return (word ^ word >> 31) % bound

    ranges = KINDS[index % len(KINDS)]
    length = 10_000 if index % 999 == 998 else 1 + below(48)
    text = ""
    for _ in range(length):
        if ranges:
            first, last = ranges[below(len(ranges))]
            text += chr(first + below(last - first + 1))
        else:
            text += WORDS[below(len(WORDS))] + SEPARATORS[below(len(SEPARATORS))]
    return text[:10_000]


def checksum(ids):
    value = 0
    for token in ids:
        value = (value * 1_000_003 + token + 1) % 2**32
    return value


def trained():
    """A byte-level vocabulary with merges learnt from TEXT, in CLIP's form."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(vocab_size=400, min_frequency=1, end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    merges = [tuple(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"]]
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(byte) for byte in visible] + [chr(256 + n) for n in range(256 - len(visible))]
    tokens = symbols + [symbol + "</w>" for symbol in symbols]
    tokens += [left + right for left, right in merges]
    tokens = list(dict.fromkeys(tokens)) + ["<|startoftext|>", "<|endoftext|>"]
    return {token: index for index, token in enumerate(tokens)}, merges


def write_folder(folder, vocabulary, merges, special):
    folder.mkdir(parents=True, exist_ok=True)
    dump = lambda name, value: (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
    dump("vocab.json", vocabulary)
    lines = "".join(f"{left} {right}\n" for left, right in merges)
    (folder / "merges.txt").write_text("#version: 0.2\n" + lines)
    dump("special_tokens_map.json", special)
    config = dict(special, model_max_length=16, tokenizer_class="CLIPTokenizer", do_lower_case=True)
    dump("tokenizer_config.json", config)


def main():
    out = Path(sys.argv[1])
    vocabulary, merges = trained()
    start, end = "<|startoftext|>", "<|endoftext|>"
    flags = dict(lstrip=False, normalized=True, rstrip=False, single_word=False)
    plain = dict(bos_token=start, eos_token=end, unk_token=end, pad_token=end)
    declared = lambda token: dict(flags, content=token)
    folders = {
        "plain": plain,
        "version1": dict(bos_token=declared(start), eos_token=declared(end), unk_token=declared(end), pad_token=end),
        "version2": dict(bos_token=declared(start), eos_token=declared(end), unk_token=declared(end), pad_token="!"),
        "declared": plain,
    }
    drawn = prompts()
    golden = {"transformers": transformers.__version__, "prompts": drawn, "ids": {}}
    for name, special in folders.items():
        write_folder(out / name, vocabulary, merges, special)
        if name == "declared":
            path = out / name / "tokenizer_config.json"
            decoder = {str(vocabulary[token]): dict(declared(token), special=True) for token in (start, end)}
            path.write_text(json.dumps(dict(json.loads(path.read_text()), added_tokens_decoder=decoder), indent=1) + "\n")
        tokenizer = CLIPTokenizer.from_pretrained(out / name)
        if name == "version2":
            tokenizer.save_pretrained(out / "saved")
        golden["ids"][name] = tokenizer(drawn, padding="max_length", truncation=True)["input_ids"]
        if name == "plain":
            lengths = [len(ids) for ids in tokenizer(drawn)["input_ids"]]
            golden["truncated"] = [length > 16 for length in lengths]
    golden["ids"]["saved"] = CLIPTokenizer.from_pretrained(out / "saved")(
        drawn, padding="max_length", truncation=True
    )["input_ids"]
    drawn = [drawn_prompt(index) for index in range(MANY)]
    many = {"transformers": transformers.__version__, "checksums": {}}
    for name in ("plain", "version2"):
        encoded = CLIPTokenizer.from_pretrained(out / name)(drawn)["input_ids"]
        many["checksums"][name] = [checksum(ids) for ids in encoded]
    (out / "many.json").write_text(json.dumps(many, separators=(",", ":")) + "\n")
    (out / "prompts.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
