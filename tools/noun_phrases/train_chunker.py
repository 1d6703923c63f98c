"""Trains the chunker of noun phrases on the parses of T2I-CompBench's prompts, and says how well it agrees with them.

Run: python tools/noun_phrases/train_chunker.py judges/data/t2i_compbench_noun_phrases.txt judges/data/noun_chunker.bin
     python tools/noun_phrases/train_chunker.py judges/data/t2i_compbench_noun_phrases.txt --measure PROMPTS
PROMPTS is the folder with the benchmark's {category}_{train,val}.txt; it says which category a prompt is of.

An averaged perceptron (Collins, Discriminative training methods for hidden Markov models, 2002) over whole lists of
labels. Weights are whole numbers of eight bits in the end; what is measured are these.
"""

import random
import re
import sys
from pathlib import Path

import numpy

from noun_chunker import (
    BEGIN,
    INSIDE,
    LABELS,
    OUTSIDE,
    ROWS,
    START,
    TEMPLATES,
    TEMPLATES_THAT_NAME_WORDS,
    best_labels,
    feature_rows,
    phrases,
    tokens,
)

EPOCHS = 10
# In each epoch such a share of the words goes unnamed, so that endings and neighbours learn to do without.
UNNAMED = 0.5
LARGEST = 127
NUMBERS = ["two", "two", "three", "three", "four", "five", "six", "seven", "eight", "several", "many"]
NAMES = (
    "London Paris Tokyo Rome Venice Berlin Egypt Japan Italy France China India Africa Europe America Alaska Mars "
    "Manhattan Picasso Rembrandt Monet Dali Hokusai Escher Pixar Disney Maria Anna Peter John"
).split()
NAMES += ["New York", "San Francisco", "Van Gogh", "Claude Monet", "Greg Rutkowski", "Alphonse Mucha", "Times Square"]
CATEGORIES = ["color", "shape", "texture", "spatial", "non_spatial", "complex"]


class Example:
    """A prompt with what spaCy says of it."""

    def __init__(self, line):
        self.line = line
        self.prompt, chunks, nouns = unmarked(line)
        self.places = tokens(self.prompt)
        self.labels = [label_of(place, chunks, nouns) for place in self.places]
        self.words = [self.prompt[start:end] for start, end in self.places]
        self.rows = feature_rows(self.words)
        self.chunks, self.nouns = phrases(self.prompt, self.places, self.labels)
        if self.chunks != [self.prompt[start:end] for start, end in chunks]:
            raise SystemExit(f"The tokens of `{self.prompt}` do not fit its chunks")
        if len(self.nouns) != len(nouns):
            raise SystemExit(f"The tokens of `{self.prompt}` do not fit its nouns")


def unmarked(line):
    prompt, chunks, nouns = "", [], []
    for character in line:
        if character == "[":
            chunks.append([len(prompt), None])
        elif character == "]":
            chunks[-1][1] = len(prompt)
        elif character == "*":
            nouns.append(len(prompt))
        else:
            prompt += character
    return prompt, chunks, nouns


def label_of(place, chunks, nouns):
    start, end = place
    position = OUTSIDE
    for first, last in chunks:
        if start == first:
            position = BEGIN
        elif first < start and end <= last:
            position = INSIDE
    return position + 3 * (start in nouns)


def with_numbers(line, source):
    """The line with number words in place of articles, and the last nouns behind them in the plural."""

    def counted(chunk):
        noun = chunk[2]
        plural = noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")
        return f"[{source.choice(NUMBERS)} {chunk[1]}*{plural}]"

    return re.sub(r"\[[Aa]n? ((?:[^\[\]]* )?)\*(\w+)\]", counted, line)


def with_names(line, source):
    """The line with names in place of things with the article `the` behind a preposition; names are no nouns."""

    def named(found):
        return f"{found[1]} [{source.choice(NAMES)}]"

    return re.sub(r"\b(in|at|near|over|of|from|by) \[the [^\[\]]*\]", named, line)


def changed(examples):
    """What the prompts say too rarely to be learned from them: numbers and names."""
    source = random.Random(20250118)
    lines = []
    for example in examples:
        change = source.choice([with_numbers, with_names, None, None])
        line = example.line if change is None else change(example.line, source)
        if line != example.line:
            lines.append(line)
    return [Example(line) for line in lines]


def train(examples):
    examples = examples + changed(examples)
    # One more row, which stays zero, stands for features that are left out.
    weights = numpy.zeros((ROWS + 1, LABELS), dtype=numpy.int64)
    late = numpy.zeros_like(weights)
    between = numpy.zeros((LABELS + 1, LABELS), dtype=numpy.int64)
    between_late = numpy.zeros_like(between)
    naming = numpy.array(TEMPLATES_THAT_NAME_WORDS)
    source = random.Random(20250117)
    order = list(range(len(examples)))
    step = 1
    for _ in range(EPOCHS):
        source.shuffle(order)
        for number in order:
            example = examples[number]
            hidden = numpy.array([source.random() < UNNAMED for _ in example.words])
            rows = numpy.where(hidden[:, None] & naming, ROWS, example.rows)
            found = best_labels(rows, weights, between)
            if found != example.labels:
                update(weights, late, rows, example.labels, found, step)
                update_between(between, between_late, example.labels, found, step)
            step += 1
    return weights[:ROWS] - late[:ROWS] / step, between - between_late / step


def update(weights, late, rows, right, found, step):
    wrong = [place for place in range(len(right)) if right[place] != found[place]]
    rows = rows[wrong]
    for labels, amount in [(right, 1), (found, -1)]:
        columns = numpy.array([labels[place] for place in wrong])[:, None]
        numpy.add.at(weights, (rows, columns), amount)
        numpy.add.at(late, (rows, columns), amount * step)
    weights[ROWS] = 0


def update_between(between, late, right, found, step):
    for labels, amount in [(right, 1), (found, -1)]:
        for previous, label in zip([START, *labels], labels):
            between[previous, label] += amount
            late[previous, label] += amount * step


def quantised(weights, between):
    """Eight bits for each weight; the few that are larger than nearly all become the largest number."""
    seen = numpy.abs(weights[weights != 0])
    scale = LARGEST / numpy.quantile(seen, 0.9999)
    rounded = numpy.clip(numpy.rint(weights * scale), -LARGEST, LARGEST).astype(numpy.int8)
    return rounded, numpy.clip(numpy.rint(between * scale), -32767, 32767).astype(numpy.int64)


class Agreement:
    """How many prompts, chunks and nouns are the same."""

    def __init__(self):
        self.prompts = self.same_chunks = self.same_nouns = self.same_ends = 0
        self.chunks, self.nouns = [0, 0, 0], [0, 0, 0]
        self.differences = []

    def add(self, example, weights, between):
        labels = best_labels(example.rows, weights, between)
        chunks, nouns = phrases(example.prompt, example.places, labels)
        self.prompts += 1
        self.same_chunks += chunks == example.chunks
        self.same_nouns += nouns == example.nouns
        self.same_ends += nouns[:1] + nouns[-1:] == example.nouns[:1] + example.nouns[-1:]
        for counts, right, found in [
            (self.chunks, spans(example.labels), spans(labels)),
            (self.nouns, noun_places(example.labels), noun_places(labels)),
        ]:
            for place, part in enumerate([right & found, right, found]):
                counts[place] += len(part)
        if chunks != example.chunks:
            self.differences.append((example.prompt, example.chunks, chunks))

    def line(self, name):
        both, right, found = self.chunks
        shares = [self.same_chunks / self.prompts, both / found, both / right, self.same_nouns / self.prompts]
        both, right, found = self.nouns
        shares += [both / found, both / right, self.same_ends / self.prompts]
        return f"| {name} | {self.prompts} | " + " | ".join(f"{100 * share:.1f}" for share in shares) + " |"


def spans(labels):
    found = []
    for place, label in enumerate(labels):
        if label % 3 == BEGIN:
            found.append((place, place + 1))
        elif label % 3 == INSIDE:
            found[-1] = (found[-1][0], place + 1)
    return set(found)


def noun_places(labels):
    return {place for place, label in enumerate(labels) if label >= 3}


def agreement(training, tests, total):
    weights = quantised(*train(training))
    one = Agreement()
    for example in tests:
        one.add(example, *weights)
        total.add(example, *weights)
    return one


HEAD = """| left out | prompts | same chunks | precision | recall | same nouns | precision | recall | first and last noun |
|---|---|---|---|---|---|---|---|---|"""


def measure(examples, folder):
    print(HEAD, flush=True)
    order = list(range(len(examples)))
    random.Random(5).shuffle(order)
    total = Agreement()
    for fold in range(5):
        left_out = set(order[fold::5])
        training = [example for number, example in enumerate(examples) if number not in left_out]
        tests = [examples[number] for number in sorted(left_out)]
        print(agreement(training, tests, total).line(f"fold {fold + 1}"), flush=True)
    print(total.line("a fifth of the prompts, five times"), flush=True)
    for prompt, right, found in random.Random(6).sample(total.differences, min(40, len(total.differences))):
        print(f"  {prompt}\n    spaCy   {right}\n    chunker {found}")
    total = Agreement()
    for category in CATEGORIES:
        files = [folder / f"{category}_{part}.txt" for part in ["train", "val"]]
        prompts = {line.strip() for file in files for line in file.read_text("utf-8").splitlines()}
        training = [example for example in examples if example.prompt not in prompts]
        tests = [example for example in examples if example.prompt in prompts]
        print(agreement(training, tests, total).line(category), flush=True)
    print(total.line("a category, six times"), flush=True)


def main():
    examples = [Example(line) for line in Path(sys.argv[1]).read_text("utf-8").splitlines()]
    if sys.argv[2] == "--measure":
        measure(examples, Path(sys.argv[3]))
        return
    weights, between = quantised(*train(examples))
    Path(sys.argv[2]).write_bytes(between.astype("<i2").tobytes() + weights.tobytes())


if __name__ == "__main__":
    main()
