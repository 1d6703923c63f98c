"""The chunker of noun phrases as the project runs it: tokens, their features, and the best labels.

Everything is whole numbers, and the same in `judges/src/noun_phrases`; a golden file compares the two.
"""

from pathlib import Path

import numpy

CLOSED_CLASSES = Path(__file__).resolve().parents[2] / "judges/data/closed_classes.txt"
# Tokens beyond these are not read.
MOST_TOKENS = 4096
ROWS = 1 << 16
LABELS = 6
# What stands for the label before the first token.
START = LABELS
OUTSIDE, BEGIN, INSIDE = range(3)
FORBIDDEN = -(1 << 28)
WHITE_SPACE = {0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000} | set(range(0x2000, 0x200B))
WHITE_SPACE |= {0x20} | set(range(0x09, 0x0E))
SYMBOLS = [
    (0x80, 0xA9), (0xAB, 0xB4), (0xB6, 0xB9), (0xBB, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7), (0x2000, 0x206F),
    (0x20A0, 0x20CF), (0x2190, 0x2BFF), (0x3000, 0x303F), (0xFE00, 0xFE1F), (0xFE30, 0xFE6F), (0xFF00, 0xFF0F),
    (0xFF1A, 0xFF20), (0xFF3B, 0xFF40), (0xFF5B, 0xFF65), (0xFFF0, 0xFFFF), (0x1F000, 0x1FAFF),
]  # fmt: skip
APOSTROPHES = "'\u2019"
# Symbols that are read as they are; others are read as the comma or as the full stop.
READ_AS_THEY_ARE = "',.-:&"
READ_AS_COMMA = "()[]{}<>;|/\\\"+*=_~\u2013\u2014\u201c\u201d"
ENDINGS = ["ing", "ed", "ly", "ful", "ous", "less", "able", "ible", "ish", "al", "ic", "ive", "en", "ss", "s", "y"]


def is_word_character(character):
    code = ord(character)
    if code < 0x80:
        return character.isalnum()
    return code not in WHITE_SPACE and not any(first <= code <= last for first, last in SYMBOLS)


def tokens(prompt):
    """Places (start, end) of the tokens: runs of word characters, and every other character but spaces by itself.
    An apostrophe inside of a word begins a token that goes on to the end of the run."""
    found = []
    place = 0
    while place < len(prompt) and len(found) < MOST_TOKENS:
        start = place
        character = prompt[place]
        place += 1
        if ord(character) in WHITE_SPACE:
            continue
        after_word = start > 0 and is_word_character(prompt[start - 1])
        before_word = place < len(prompt) and is_word_character(prompt[place])
        if is_word_character(character) or (character in APOSTROPHES and after_word and before_word):
            while place < len(prompt) and is_word_character(prompt[place]):
                place += 1
        found.append((start, place))
    return found


def text_hash(text):
    """FNV-1a of the bytes."""
    value = 0x811C9DC5
    for byte in text:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def closed_classes():
    classes = {}
    for line in CLOSED_CLASSES.read_text("utf-8").splitlines():
        name, words = line.split(":", 1)
        for word in words.split():
            classes.setdefault(word.encode(), text_hash(name.encode()))
    return classes


CLASSES = closed_classes()
KNOWN = {}


def ascii_lower(word):
    return word.encode("utf-8", "surrogatepass").lower()


def ending(word, length):
    return "".join(word[-length:])


def word_class(word, lower):
    if lower in CLASSES:
        return CLASSES[lower]
    if lower in b",.-:":
        return text_hash(b"symbol " + lower)
    if any(byte in b"0123456789" for byte in lower):
        return text_hash(b"digits")
    for suffix in ENDINGS:
        if len(lower) > len(suffix) + 2 and lower.endswith(suffix.encode()):
            return text_hash(b"ending " + suffix.encode())
    return text_hash(b"open")


def word_shape(word):
    if word[0].isascii() and word[0].isupper():
        return text_hash(b"upper" if len(word) > 1 and word[1].isascii() and word[1].isupper() else b"capital")
    return text_hash(b"lower" if word.isascii() else b"foreign")


def read_as(token):
    if token[0] == "\u2019":
        return "'" + token[1:]
    if is_word_character(token[0]) or token[0] in READ_AS_THEY_ARE:
        return token
    return "," if token in READ_AS_COMMA else "."


def word_traits(token):
    """Word, last three and two characters, class and shape as numbers."""
    if token not in KNOWN:
        word = read_as(token)
        lower = ascii_lower(word)
        KNOWN[token] = (
            text_hash(lower),
            text_hash(ascii_lower(ending(word, 3))),
            text_hash(ascii_lower(ending(word, 2))),
            word_class(word, lower),
            word_shape(word),
        )
    return KNOWN[token]


WORD, LAST_THREE, LAST_TWO, CLASS, SHAPE = range(5)
# The parts of each feature: how far from the token, and which trait.
TEMPLATES = [
    [],
    [(0, WORD)],
    [(-1, WORD)],
    [(1, WORD)],
    [(-2, WORD)],
    [(2, WORD)],
    [(-1, WORD), (0, WORD)],
    [(0, WORD), (1, WORD)],
    [(-1, WORD), (1, WORD)],
    [(-2, WORD), (-1, WORD)],
    [(1, WORD), (2, WORD)],
    [(0, LAST_THREE)],
    [(0, LAST_TWO)],
    [(-1, LAST_THREE)],
    [(1, LAST_THREE)],
    [(0, SHAPE), (-1, CLASS)],
    [(-1, CLASS), (0, LAST_THREE)],
    [(0, LAST_THREE), (1, CLASS)],
    [(-2, CLASS), (-1, CLASS), (0, CLASS)],
    [(-1, CLASS), (0, CLASS), (1, CLASS)],
    [(0, CLASS), (1, CLASS), (2, CLASS)],
    [(-1, LAST_TWO), (0, LAST_TWO), (1, LAST_TWO)],
    [(-1, CLASS), (0, LAST_THREE), (1, CLASS)],
    [(0, LAST_TWO), (1, WORD)],
    [(-1, WORD), (0, LAST_TWO)],
    [(0, WORD), (-2, CLASS)],
    [(0, WORD), (1, CLASS), (2, CLASS)],
    [(0, CLASS), (1, CLASS), (2, CLASS), (3, CLASS)],
]
MARGIN = 3
TEMPLATES_THAT_NAME_WORDS = [any(trait == WORD for _, trait in template) for template in TEMPLATES]


def feature_rows(words):
    """Row numbers of the weights, `[tokens, templates]`."""
    before, after = [(text_hash(b"<"),) * 5], [(text_hash(b">"),) * 5]
    traits = numpy.array(before * MARGIN + [word_traits(word) for word in words] + after * MARGIN, dtype=numpy.uint32)
    count = len(words)
    rows = numpy.empty((count, len(TEMPLATES)), dtype=numpy.int32)
    for number, template in enumerate(TEMPLATES):
        value = numpy.full(count, (number + 1) * 0x9E3779B1 & 0xFFFFFFFF, dtype=numpy.uint32)
        for distance, trait in template:
            value = (value ^ traits[MARGIN + distance : MARGIN + distance + count, trait]) * numpy.uint32(0x01000193)
            value ^= value >> numpy.uint32(15)
        value *= numpy.uint32(0x85EBCA6B)
        value ^= value >> numpy.uint32(13)
        rows[:, number] = value & numpy.uint32(ROWS - 1)
    return rows


def allowed(previous, label):
    return label % 3 != INSIDE or (previous != START and previous % 3 != OUTSIDE)


ALLOWED = numpy.array([[allowed(previous, label) for label in range(LABELS)] for previous in range(LABELS + 1)])


def best_labels(rows, weights, transitions):
    """The labels of the largest sum; among equals the lowest numbers, from the last token on."""
    emissions = weights[rows].sum(axis=1, dtype=numpy.int64)
    transitions = numpy.where(ALLOWED, transitions, FORBIDDEN)
    between = transitions[:START]
    scores = transitions[START] + emissions[0]
    came_from = []
    for emission in emissions[1:]:
        candidates = scores[:, None] + between
        came_from.append(candidates.argmax(axis=0))
        scores = candidates.max(axis=0) + emission
    label = int(scores.argmax())
    labels = [label]
    for previous in reversed(came_from):
        label = int(previous[label])
        labels.append(label)
    return labels[::-1]


DROPPED = ["top", "the side", "the left", "the right"]


def phrases(prompt, places, labels):
    """Chunks, as T2I-CompBench filters them, and nouns."""
    spans = []
    for (start, end), label in zip(places, labels):
        if label % 3 == BEGIN:
            spans.append([start, end])
        elif label % 3 == INSIDE:
            spans[-1][1] = end
    chunks = [prompt[start:end] for start, end in spans]
    nouns = [prompt[start:end] for (start, end), label in zip(places, labels) if label >= 3]
    return [chunk for chunk in chunks if chunk not in DROPPED], nouns


def read_weights(path):
    data = Path(path).read_bytes()
    split = (LABELS + 1) * LABELS * 2
    transitions = numpy.frombuffer(data[:split], dtype="<i2").reshape(LABELS + 1, LABELS)
    return numpy.frombuffer(data[split:], dtype=numpy.int8).reshape(ROWS, LABELS), transitions.astype(numpy.int64)


def chunk(prompt, weights, transitions):
    places = tokens(prompt)
    if not places:
        return [], []
    rows = feature_rows([prompt[start:end] for start, end in places])
    return phrases(prompt, places, best_labels(rows, weights, transitions))
