"""Writes the noun phrases of T2I-CompBench's prompts, as spaCy finds them and T2I-CompBench filters them.

Run: python tools/noun_phrases/export_t2i_compbench.py PROMPTS judges/data/t2i_compbench_noun_phrases.txt
PROMPTS is a folder with the benchmark's {category}_{train,val}.txt, which are then parsed by spaCy's en_core_web_sm
3.8, or a JSON file of such parses: {prompt: {"chunks": [..], "nouns": [..]}}.

One line per prompt, in the order of their bytes: the prompt itself, with [ and ] around each chunk and * before
each noun.
"""

import json
import sys
from pathlib import Path

from noun_chunker import DROPPED, is_word_character

MARKS = "[]*"


def parse_with_spacy(folder):
    import spacy

    network = spacy.load("en_core_web_sm")
    if not network.meta["version"].startswith("3.8"):
        raise SystemExit(f"en_core_web_sm 3.8 is needed, not {network.meta['version']}")
    files = [*sorted(folder.glob("*_train.txt")), *sorted(folder.glob("*_val.txt"))]
    lines = [line.split("\t")[0].strip() for file in files for line in file.read_text("utf-8").splitlines()]
    parses = {}
    for prompt in dict.fromkeys(line for line in lines if line):
        document = network(prompt)
        chunks = [chunk.text for chunk in document.noun_chunks if chunk.text not in DROPPED]
        nouns = [token.text for token in document if token.pos_ == "NOUN"]
        parses[prompt] = {"chunks": chunks, "nouns": nouns}
    return parses


def noun_end(prompt, start):
    """Where a noun that starts here ends: with the word, or after one other character."""
    end = start + 1
    while is_word_character(prompt[start]) and end < len(prompt) and is_word_character(prompt[end]):
        end += 1
    return end


def inside_word(prompt, place):
    return 0 < place < len(prompt) and is_word_character(prompt[place - 1]) and is_word_character(prompt[place])


def places(prompt, parts, ends):
    """Where the parts stand, each after the one before; a place that `ends` prefers wins over an earlier one."""
    found, start = [], 0
    for number, part in enumerate(parts):
        left = parts[number + 1 :]
        choices = []
        place = prompt.find(part, start)
        while place >= 0:
            end = place + len(part)
            whole = noun_end(prompt, place) == end if ends is not None else not inside_word(prompt, end)
            if whole and not inside_word(prompt, place) and fits(prompt, left, end):
                choices.append(place)
            place = prompt.find(part, place + 1)
        if not choices:
            raise SystemExit(f"`{part}` does not stand in `{prompt}`")
        preferred = [place for place in choices if ends is not None and place + len(part) in ends]
        place = (preferred or choices)[0]
        found.append((place, place + len(part)))
        start = place + len(part)
    return found


def fits(prompt, parts, start):
    for part in parts:
        start = prompt.find(part, start)
        if start < 0:
            return False
        start += len(part)
    return True


def located(prompt, parse):
    chunks = places(prompt, parse["chunks"], None)
    nouns = places(prompt, parse["nouns"], {end for _, end in chunks})
    return chunks, nouns


def marked(prompt, parse):
    if any(mark in prompt for mark in MARKS) or "\n" in prompt or prompt != prompt.strip():
        raise SystemExit(f"`{prompt}` cannot be marked")
    chunks, nouns = located(prompt, parse)
    begins, ends, starts = {start for start, _ in chunks}, {end for _, end in chunks}, {start for start, _ in nouns}
    line = ""
    for place in range(len(prompt) + 1):
        line += "]" * (place in ends) + "[" * (place in begins) + "*" * (place in starts) + prompt[place : place + 1]
    return line


def main():
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    parses = parse_with_spacy(source) if source.is_dir() else json.loads(source.read_text("utf-8"))
    lines = [marked(prompt, parses[prompt]) for prompt in sorted(parses, key=str.encode)]
    out.write_text("".join(line + "\n" for line in lines), "utf-8")


if __name__ == "__main__":
    main()
