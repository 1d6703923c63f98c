"""Makes the table of docs/benchmarks.md out of the answers that tools/gpu/check.sh collected.

Usage: python tools/gpu/table.py FOLDER
"""

import json
import sys
from pathlib import Path


def answers(folder, prefix):
    for path in sorted(folder.glob(f"{prefix}*.json")):
        try:
            yield path.stem.removeprefix(prefix), json.loads(path.read_text())
        except json.JSONDecodeError:
            yield path.stem.removeprefix(prefix), None


def checks(folder):
    print("| device and model | largest error | allowed there | order | batch | verdict |")
    print("|---|---|---|---|---|---|")
    for prefix in ("check-", "memory-"):
        for name, answer in answers(folder, prefix):
            if answer is None:
                print(f"| {name} | | | | | no answer |")
                continue
            size = lambda part: float("inf") if part["error"] is None else part["error"] / part["allowed"]
            worst = max(answer["parts"], key=size)
            company, error = answer["company"], worst["error"]
            shown = "not finite" if error is None else f"{error:.1e} ({worst['part']})"
            verdict = "agrees" if answer["passed"] else "DIFFERS"
            memory = answer.get("memory")
            if memory:
                verdict += f"; memory: {memory['allocated_bytes'] / 2**30:.0f} GiB, then "
                verdict += "refused" if memory["refusal"] else "NOT refused"
                verdict += ", works on" if not memory["broken"] else f", BROKEN: {memory['broken']}"
            cells = [name, shown, f"{worst['allowed']:.1e}", f"{company['order']:.1e}", f"{company['batch']:.1e}", verdict]
            print("| " + " | ".join(cells) + " |")


def speeds(folder):
    peer = {}
    for _, answer in answers(folder, "peer"):
        for entry in answer or []:
            peer[entry["work"], entry["batch"]] = entry["seconds"]
    print("| device | work | batch | mitune s | TFLOP/s | PyTorch s | speed |")
    print("|---|---|---|---|---|---|---|")
    for prefix in ("pieces-", "prompt-"):
        for name, answer in answers(folder, prefix):
            for entry in (answer or {}).get("measurements", []):
                seconds, theirs = entry["seconds"], peer.get((entry["work"], entry["batch"]))
                rate = f"{entry['operations'] / seconds / 1e12:.1f}" if entry["operations"] else ""
                beside = f"{theirs:.4f} | {theirs / seconds:.2f}" if theirs else "|"
                print(f"| {name} | {entry['work']} | {entry['batch']} | {seconds:.4f} | {rate} | {beside} |")


def main():
    folder = Path(sys.argv[1])
    machine = folder / "machine.txt"
    if machine.exists():
        print(machine.read_text().strip().replace("\n", "; "), end="\n\n")
    checks(folder)
    print()
    speeds(folder)


if __name__ == "__main__":
    main()
