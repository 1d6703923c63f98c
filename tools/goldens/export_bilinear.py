"""Writes what torchvision's Resize and CenterCrop make of pictures of a formula, as diffusers' training scripts use them.

Usage: export_bilinear.py [FILE]; by default judges/tests/golden/bilinear.json. Needs Pillow, torch and torchvision.

Of every result the first line and the checksum of all bytes are kept.
"""

import json
import pathlib
import sys
import zlib

import numpy
import PIL
import torchvision
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

HERE = pathlib.Path(__file__).resolve().parents[2]
BILINEAR = InterpolationMode.BILINEAR
# Width, height and side.
SIZES = [(40, 30, 16), (30, 40, 16), (35, 35, 32), (64, 33, 32), (33, 64, 32), (227, 300, 64), (300, 227, 64), (17, 23, 64),
         (640, 480, 64), (75, 400, 24), (400, 75, 24), (32, 48, 32)]
# Width, height and side of what is resized whatever its shape.
EXACT = [(40, 30, 16), (30, 90, 16), (17, 23, 32)]


def formula(width, height):
    y, x, c = numpy.meshgrid(numpy.arange(height), numpy.arange(width), numpy.arange(3), indexing="ij")
    return Image.fromarray(((x * 7 + y * 13 + c * 50 + x * y * (c + 1)) % 256).astype(numpy.uint8), "RGB")


def case(width, height, side, exact):
    resized = Resize([side, side] if exact else side, interpolation=BILINEAR)(formula(width, height))
    cropped = numpy.asarray(CenterCrop(side)(resized))
    # torchvision does not tell where it crops.
    first = [int(round((length - side) / 2.0)) for length in (resized.height, resized.width)]
    assert (numpy.asarray(resized)[first[0]:, first[1]:][:side, :side] == cropped).all()
    return {
        "width": width,
        "height": height,
        "resized": [resized.height, resized.width],
        "first": first,
        "side": side,
        "checksum": zlib.adler32(cropped.tobytes()),
        "line": cropped[0].flatten().tolist(),
    }


def main():
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "judges/tests/golden/bilinear.json"
    cases = [case(*sizes, False) for sizes in SIZES] + [case(*sizes, True) for sizes in EXACT]
    made_with = {"pillow": PIL.__version__, "torchvision": torchvision.__version__}
    lines = ",\n".join(json.dumps(case) for case in cases)
    target.write_text(f'{{"made_with": {json.dumps(made_with)},\n"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
