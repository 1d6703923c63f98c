"""Writes small JPEG files of every kind, and to expected.txt what Pillow opens: mode, sides and CRC-32 of the samples.

Usage: export_jpeg_files.py [FOLDER]; by default diffusion/tests/golden/jpeg_files. Needs Pillow and numpy.

What Pillow does not write - other sampling factors, scans of single components, colours told in other ways - is coded
here from coefficients drawn at random, in the Huffman codes of the standard.
"""

import io
import pathlib
import struct
import sys
import zlib

import numpy
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parents[2]
ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))


def picture(width, height, channels, seed):
    """Smooth colours with some noise and hard edges, so that every coefficient is used and values are cut off."""
    random = numpy.random.RandomState(seed)
    y, x = numpy.mgrid[0:height, 0:width]
    planes = [127.5 + 120 * numpy.sin(x / (3 + c) + seed) * numpy.cos(y / (4 + c)) for c in range(channels)]
    values = numpy.stack(planes, -1) + random.uniform(-25, 25, (height, width, channels))
    values[height // 2:, width // 2:, seed % channels] = 255
    return numpy.clip(values.round(), 0, 255).astype(numpy.uint8)


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def segments(data):
    """The segments before the scan, as marker and payload."""
    place = 2
    while data[place + 1] != 0xDA:
        length = struct.unpack(">H", data[place + 2:place + 4])[0]
        yield data[place + 1], data[place + 4:place + 2 + length]
        place += 2 + length


def standard_codes():
    """Codes by (class, index): for each value its length and bits."""
    codes = {}
    for marker, payload in segments(saved(Image.new("RGB", (8, 8)))):
        while marker == 0xC4 and payload:
            counts, code, place = payload[1:17], 0, 17
            table = codes.setdefault((payload[0] >> 4, payload[0] & 15), {})
            for length, count in enumerate(counts, 1):
                for value in payload[place:place + count]:
                    table[value] = format(code, f"0{length}b")
                    code += 1
                place, code = place + count, code << 1
            payload = payload[place:]
    return codes


CODES = standard_codes()


def segment(marker, payload):
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def magnitude(value):
    size = int(abs(value)).bit_length()
    return size, format(int(value) if value > 0 else int(value) + (1 << size) - 1, f"0{size}b") if size else ""


def coded_block(block, last, index):
    size, bits = magnitude(block[0] - last)
    text, run = CODES[0, index][size] + bits, 0
    for value in block[1:]:
        if value == 0:
            run += 1
            continue
        while run > 15:
            text, run = text + CODES[1, index][0xF0], run - 16
        size, bits = magnitude(value)
        text, run = text + CODES[1, index][run << 4 | size] + bits, 0
    return text + (CODES[1, index][0] if run else "")


def stuffed(text):
    text += "1" * (-len(text) % 8)
    data = bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))
    return data.replace(b"\xff", b"\xff\0")


def coded(width, height, factors, seed, heads=b"", ids=(1, 2, 3, 4), is_single=False, interval=0, deep=False,
          has_codes=True):
    """A file whose components have these sampling factors."""
    random = numpy.random.RandomState(seed)
    most_across, most_down = max(a for a, _ in factors), max(d for _, d in factors)
    units = -(-width // (8 * most_across)), -(-height // (8 * most_down))
    planes = []
    for across, down in factors:
        shape = units[1] * down, units[0] * across
        scale = 40 / (1 + numpy.arange(64)) ** 1.2 * (random.rand(*shape, 64) < 0.5)
        blocks = numpy.round(random.randn(*shape, 64) * scale).astype(int)
        blocks[..., 0] = random.randint(-60, 61, shape)
        planes.append(blocks)
    steps = numpy.minimum(8 + numpy.arange(64), 255)
    table = b"\x10" + steps.astype(">u2").tobytes() if deep else b"\0" + steps.astype("u1").tobytes()
    parts = b"".join(bytes([ids[i], a << 4 | d, 0]) for i, (a, d) in enumerate(factors))
    data = b"\xff\xd8" + heads + segment(0xDB, table)
    data += segment(0xC1, struct.pack(">BHHB", 8, height, width, len(factors)) + parts)
    if has_codes:
        for marker, payload in segments(saved(Image.new("RGB", (8, 8)))):
            data += segment(marker, payload) if marker == 0xC4 else b""
    if interval:
        data += segment(0xDD, struct.pack(">H", interval))
    all_parts = range(len(factors))
    for scan in [[i] for i in all_parts] if is_single else [list(all_parts)]:
        head = b"".join(bytes([ids[i], 0x11 if i in (1, 2) else 0]) for i in scan)
        data += segment(0xDA, bytes([len(scan)]) + head + b"\0\x3f\0")
        texts, last, number = [""], dict.fromkeys(scan, 0), 0
        across, down = units
        if len(scan) == 1:
            a, d = factors[scan[0]]
            across, down = -(-(-(-width * a // most_across)) // 8), -(-(-(-height * d // most_down)) // 8)
        for unit in range(across * down):
            if interval and unit and unit % interval == 0:
                texts, last = texts + [""], dict.fromkeys(scan, 0)
            for i in scan:
                a, d = (1, 1) if len(scan) == 1 else factors[i]
                for y in range(d):
                    for x in range(a):
                        block = planes[i][unit // across * d + y, unit % across * a + x]
                        texts[-1] += coded_block(block, last[i], int(i in (1, 2)))
                        last[i] = block[0]
        for number, text in enumerate(texts):
            data += stuffed(text) + (bytes([0xFF, 0xD0 + number % 8]) if number + 1 < len(texts) else b"")
    return data + b"\xff\xd9"


def adobe(transform):
    return segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def of_pillow():
    rgb = Image.fromarray(picture(33, 47, 3, 1))
    for quality in (1, 30, 75, 95, 100):
        for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
            yield f"q{quality}_{name}", saved(rgb, quality=quality, subsampling=subsampling)
    for width, height in ((1, 1), (2, 3), (3, 2), (7, 9), (16, 16), (1, 300), (300, 1), (17, 64)):
        small = Image.fromarray(picture(width, height, 3, 2))
        for name, subsampling in (("422", 1), ("420", 2)):
            yield f"{width}x{height}_{name}", saved(small, quality=80, subsampling=subsampling)
        yield f"{width}x{height}_progressive", saved(small, quality=80, progressive=True)
    for quality in (5, 60, 98):
        yield f"progressive_q{quality}", saved(rgb, quality=quality, progressive=True, subsampling=quality // 40)
    yield "optimised", saved(rgb, quality=85, optimize=True)
    yield "restarts", saved(rgb, quality=85, restart_marker_blocks=1)
    yield "restarts_progressive", saved(rgb, quality=85, restart_marker_rows=1, progressive=True)
    grey = Image.fromarray(picture(33, 47, 1, 3)[..., 0])
    yield "grey", saved(grey, quality=85)
    yield "grey_progressive", saved(grey, quality=85, progressive=True)
    inks = Image.fromarray(picture(33, 47, 4, 4), "CMYK")
    for name, options in (("", {}), ("_progressive", dict(progressive=True))):
        data = saved(inks, quality=85, **options)
        yield f"cmyk{name}", data
        place = data.index(b"Adobe") + 11
        yield f"ycck{name}", data[:place] + b"\2" + data[place + 1:]
    yield "colours", saved(rgb, quality=90, keep_rgb=True)
    data = saved(rgb, quality=85)
    table = data.index(b"\xff\xdb")
    yield "fill_bytes", data[:table] + b"\xff\xff\xff" + data[table:]
    yield "bytes_behind", data + b"behind the end \xff"
    scan = data.index(b"\xff\xda")
    yield "damaged", data[:scan + 300] + b"\x0f\xf0\x33" + data[scan + 303:]
    yield "bits_lacking", data[:scan + 200] + b"\xff\xd9"
    data = saved(rgb, quality=85, restart_marker_blocks=2)
    marker = data.index(b"\xff\xd2", data.index(b"\xff\xda"))
    yield "restart_lacking", data[:marker] + data[marker + 2:]


def of_coefficients():
    for name, factors in {
        "411": ((4, 1), (1, 1), (1, 1)),
        "440": ((1, 2), (1, 1), (1, 1)),
        "410": ((4, 2), (1, 1), (1, 1)),
        "mixed": ((2, 2), (2, 1), (1, 2)),
        "thirds": ((3, 1), (1, 1), (1, 1)),
        "quarters_down": ((1, 4), (1, 1), (1, 2)),
        "large_differences": ((1, 1), (2, 2), (1, 1)),
        "half_of_four": ((2, 4), (1, 2), (1, 1)),
        "even": ((2, 2), (2, 2), (2, 2)),
    }.items():
        if sum(across * down for across, down in factors) <= 10:
            yield f"coded_{name}", coded(37, 45, factors, 5)
        yield f"coded_{name}_single", coded(35, 50, factors, 6, is_single=True)
    usual = ((2, 2), (1, 1), (1, 1))
    yield "coded_grey", coded(35, 21, ((2, 2),), 7)
    yield "coded_restarts", coded(70, 70, usual, 8, interval=2)
    yield "coded_deep_steps", coded(35, 21, usual, 9, deep=True)
    yield "coded_codes_of_the_standard", coded(35, 21, usual, 10, has_codes=False)
    yield "coded_named_rgb", coded(35, 21, ((1, 1),) * 3, 11, ids=b"RGB")
    yield "coded_other_names", coded(35, 21, ((1, 1),) * 3, 12, ids=(7, 8, 9))
    for transform in (0, 1, 2):
        yield f"coded_adobe_{transform}", coded(35, 21, usual, 13, adobe(transform))
        yield f"coded_inks_{transform}", coded(35, 21, ((2, 2), (1, 1), (1, 1), (2, 2)), 14, adobe(transform))
    yield "coded_inks", coded(35, 21, ((1, 1),) * 4, 15)


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "diffusion/tests/golden/jpeg_files"
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, data in [*of_pillow(), *of_coefficients()]:
        image = Image.open(io.BytesIO(data))
        samples = image.tobytes()
        (folder / f"{name}.jpg").write_bytes(data)
        lines.append(f"{name}.jpg {image.mode} {image.width} {image.height} {zlib.crc32(samples)}\n")
    (folder / "expected.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
