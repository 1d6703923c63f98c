"""Writes styled images by numpy, for `judges/src/stylisation`.

Run: python tools/goldens/export_stylisation.py judges/tests/golden/stylisation.json
Each filter is computed on whole arrays by its definition, with neither sliding sums nor pixel loops.
"""

import json
import sys
from pathlib import Path

import numpy as np


def drawn(width, height, seed):
    """Noise over a gradient with a bright rectangle, so that there are edges, ramps and every brightness."""
    source = np.random.default_rng(seed)
    ramp = np.linspace(0, 200, width)[None, :, None] * np.array([1.0, 0.6, 0.3])
    image = ramp + source.integers(0, 40, (height, width, 3))
    image[height // 4 : height // 2, width // 3 : 2 * width // 3] = source.integers(0, 256, 3)
    return np.clip(image, 0, 255).astype(np.uint8)


def edge_sketch(image, threshold, saturation):
    weights = np.array([299, 587, 114], dtype=np.int64)
    luma = (image.astype(np.int64) @ weights + 500) // 1000
    padded = np.pad(luma, 1, mode="edge")
    height, width = luma.shape
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    shifted = [[padded[y : y + height, x : x + width] for x in range(3)] for y in range(3)]
    across = sum(kernel[y, x] * shifted[y][x] for y in range(3) for x in range(3))
    down = sum(kernel[x, y] * shifted[y][x] for y in range(3) for x in range(3))
    length = np.sqrt((across**2 + down**2).astype(np.float64))
    strength = np.clip((length - threshold) / (saturation - threshold), 0.0, 1.0)
    grey = np.rint(255.0 * (1.0 - strength)).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def palette(image, colours, levels):
    last = levels - 1
    steps = np.floor(image.astype(np.float64) * last / 255.0 + 0.5)
    stepped = np.floor(steps * 255.0 / last + 0.5).astype(np.int64)
    known = np.array(colours, dtype=np.int64)
    distances = ((stepped[:, :, None, :] - known) ** 2).sum(axis=3)
    return known[distances.argmin(axis=2)].astype(np.uint8)


def box(image, radius, axis):
    pad = [(0, 0)] * 3
    pad[axis] = (radius, radius)
    padded = np.pad(image.astype(np.int64), pad, mode="edge")
    window = 2 * radius + 1
    views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=axis)
    return ((2 * views.sum(axis=-1) + window) // (2 * window)).astype(np.uint8)


def blur_and_snow(image, radius, passes, haze, flakes):
    for _ in range(passes):
        image = box(box(image, radius, 1), radius, 0)
    values = image.astype(np.float64)
    values = values + (255.0 - values) * haze
    height, width, _ = image.shape
    y, x = np.mgrid[0:height, 0:width] + 0.5
    for flake in flakes:
        distance = np.sqrt((x - flake["x"]) ** 2 + (y - flake["y"]) ** 2)
        cover = np.clip(flake["radius"] + 0.5 - distance, 0.0, 1.0) * flake["opacity"]
        values = values + (255.0 - values) * cover[:, :, None]
    return np.rint(values).astype(np.uint8)


def main():
    cases = []
    source = np.random.default_rng(7)
    for seed, (width, height) in enumerate([(16, 12), (13, 17), (1, 5), (6, 1), (3, 3)]):
        image = drawn(width, height, seed)

        def add(styled, **settings):
            cases.append(
                {
                    "width": width,
                    "height": height,
                    "image": image.ravel().tolist(),
                    "styled": styled.ravel().tolist(),
                    **settings,
                }
            )

        for threshold, saturation in [(32.0, 256.0), (0.0, 90.5)]:
            settings = {"threshold": threshold, "saturation": saturation}
            add(edge_sketch(image, **settings), edge_sketch=settings)
        for count, levels in [(10, 8), (3, 256), (1, 2)]:
            colours = source.integers(0, 256, (count, 3)).tolist()
            settings = {"colours": colours, "levels": levels}
            add(palette(image, **settings), palette=settings)
        for radius, passes, haze, count in [(1, 2, 0.25, 6), (0, 1, 0.0, 0), (4, 3, 0.6, 3)]:
            flakes = [
                {
                    "x": float(source.uniform(-1, width + 1)),
                    "y": float(source.uniform(-1, height + 1)),
                    "radius": float(source.uniform(0.3, 3)),
                    "opacity": float(source.uniform(0.3, 1)),
                }
                for _ in range(count)
            ]
            settings = {"radius": radius, "passes": passes, "haze": haze, "flakes": flakes}
            add(blur_and_snow(image, **settings), blur_and_snow=settings)
    Path(sys.argv[1]).write_text(json.dumps(cases) + "\n", "utf-8")


if __name__ == "__main__":
    main()
