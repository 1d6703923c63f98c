"""Writes scores of drawn boxes by the lines of T2I-CompBench's 2D_spatial_eval.py themselves.

Run: python tools/goldens/export_judges_spatial.py 2D_spatial_eval.py judges/tests/golden/spatial.json
The script itself needs its detector to be imported, so its function of positions and the lines that make a score of
what was found are taken out of its text.
"""

import ast
import json
import random
import sys
from pathlib import Path

CASES = 320
WORDS = ["on side of", "next to", "near", "on the left of", "on the right of", "on the bottom of", "on the top of"]
WORDS += ["on top of", "above"]


class Score(float):
    """A number as a tensor of one element gives it."""

    def item(self):
        return float(self)


def parts(script):
    """The list of places, the function of positions, the search for the words, the person rule, and the score."""
    tree = ast.parse(script)
    nodes = list(ast.walk(tree))
    function = next(node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == "determine_position")
    block = next(node.body for node in nodes if isinstance(node, ast.For) and ast.unparse(node.target) == "k")
    texts = [ast.unparse(node) for node in block]
    start = next(place for place, text in enumerate(texts) if text.startswith("vocab_spatial"))
    objects = next(place for place, text in enumerate(texts) if text.startswith("if args.complex"))
    person = next(place for place, text in enumerate(texts) if text.startswith("person ="))
    last = next(place for place, text in enumerate(texts) if text.startswith("if score < 0.5"))
    chosen = block[start:objects] + block[person : last + 1]
    module = ast.Module(body=[function, *chosen], type_ignores=[])
    return compile(ast.fix_missing_locations(module), "2D_spatial_eval.py", "exec")


def drawn(source):
    nouns = [source.choice(["girl", "man", "cat", "dog", "woman"]), source.choice(["cat", "dog", "boy", "chair"])]
    scores = sorted((round(source.random(), 3) for _ in range(source.randint(0, 6))), reverse=True)
    labels, boxes = [], []
    wanted = ["person" if noun in ("girl", "boy", "man", "woman") else noun for noun in nouns]
    spread = source.choice([40, 150, 479])
    for _ in scores:
        labels.append(source.choice([*wanted, *wanted, "cup"]))
        left, top = source.randrange(spread), source.randrange(spread)
        boxes.append([left, top, left + source.randint(1, 200), top + source.randint(1, 200)])
    return f"a {nouns[0]} {source.choice(WORDS)} a {nouns[1]}", nouns, labels, scores, boxes


def main():
    lines = parts(Path(sys.argv[1]).read_text("utf-8"))
    source = random.Random(20250121)
    cases = []
    for _ in range(CASES):
        prompt, nouns, labels, scores, boxes = drawn(source)
        names = {"prompt": prompt, "obj1": nouns[0], "obj2": nouns[-1], "obj": labels, "obj_bounding_box": boxes}
        names["instance_score"] = [Score(score) for score in scores]
        exec(lines, names)
        case = {"prompt": prompt, "nouns": nouns, "labels": labels, "scores": scores, "boxes": boxes}
        cases.append({**case, "score": float(names["score"])})
    Path(sys.argv[2]).write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n", "utf-8")


if __name__ == "__main__":
    main()
