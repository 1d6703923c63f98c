"""Writes small image files of every kind that people have, and beside each what Pillow's convert("RGB") makes of it.

Usage: export_image_files.py [FOLDER]; by default diffusion/tests/golden/image_files. Needs Pillow and numpy.
"""

import pathlib
import struct
import sys
import zlib

import numpy
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parents[2]


def picture(height, width, channels, seed):
    """Smooth colours with some noise, so that chroma is interpolated and every coefficient is used."""
    random = numpy.random.RandomState(seed)
    y, x = numpy.mgrid[0:height, 0:width]
    planes = [127.5 + 100 * numpy.sin(x / (3 + c) + seed) * numpy.cos(y / (4 + c)) for c in range(channels)]
    values = numpy.stack(planes, -1) + random.uniform(-20, 20, (height, width, channels))
    return numpy.clip(values.round(), 0, 255).astype(numpy.uint8)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, depth, colour, rows, extra=b""):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = b"".join(b"\0" + row for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(data))
            + chunk(b"IEND", b""))


def files():
    rgb = Image.fromarray(picture(21, 35, 3, 1))
    grey = Image.fromarray(picture(21, 35, 1, 2)[..., 0])
    cmyk = Image.fromarray(picture(21, 35, 4, 3), "CMYK")
    rgba = Image.fromarray(picture(21, 35, 4, 4), "RGBA")
    for quality in (30, 75, 95):
        for subsampling in (0, 1, 2):
            yield f"q{quality}_s{subsampling}.jpg", rgb, dict(quality=quality, subsampling=subsampling)
    yield "progressive.jpg", rgb, dict(quality=85, progressive=True)
    yield "progressive_420.jpg", rgb, dict(quality=60, progressive=True, subsampling=2)
    yield "restarts.jpg", rgb, dict(quality=85, restart_marker_blocks=2)
    yield "grey.jpg", grey, dict(quality=85)
    yield "cmyk.jpg", cmyk, dict(quality=85)
    yield "rgb_components.jpg", rgb, dict(quality=90, keep_rgb=True)
    yield "one_pixel.jpg", rgb.crop((3, 3, 4, 4)), dict(quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "turned.jpg", rgb, dict(quality=90, exif=exif)
    yield "lossless.webp", rgb, dict(lossless=True)
    yield "lossless_alpha.webp", rgba, dict(lossless=True, exact=True)
    for quality in (20, 80, 100):
        yield f"q{quality}.webp", rgb, dict(quality=quality)
    yield "alpha.webp", rgba, dict(quality=80, exact=True)
    yield "animated.webp", rgb, dict(save_all=True, append_images=[rgb.rotate(180)], lossless=True)
    yield "palette.png", rgb.quantize(16), {}
    yield "rgba.png", rgba, {}
    yield "grey_alpha.png", rgba.convert("LA"), {}
    yield "one_bit.png", grey.convert("1"), {}
    yield "animated.png", rgb, dict(save_all=True, append_images=[rgb.rotate(180)])


def raw_files():
    deep = numpy.array([0, 1, 127, 128, 255, 256, 257, 4000, 32768, 65535], ">u2")
    yield "grey_16.png", png(10, 1, 16, 0, [deep.tobytes()])
    yield "grey_16_transparent.png", png(10, 1, 16, 0, [deep.tobytes()], chunk(b"tRNS", struct.pack(">H", 5)))
    yield "grey_alpha_16.png", png(5, 1, 16, 4, [deep.tobytes()])
    yield "rgb_16.png", png(3, 1, 16, 2, [deep[:9].tobytes()])
    yield "rgba_16.png", png(2, 1, 16, 6, [deep[2:].tobytes()])
    yield "grey_2.png", png(4, 1, 2, 0, [bytes([0b00011011])])
    yield "grey_4.png", png(2, 1, 4, 0, [bytes([0x5F])])
    yield "grey_transparent.png", png(2, 1, 8, 0, [bytes([5, 200])], chunk(b"tRNS", struct.pack(">H", 5)))
    palette = chunk(b"PLTE", bytes([9, 8, 7, 6, 5, 4])) + chunk(b"tRNS", bytes([0, 128]))
    yield "palette_transparent.png", png(2, 1, 8, 3, [bytes([0, 1])], palette)


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "diffusion/tests/golden/image_files"
    folder.mkdir(parents=True, exist_ok=True)
    for name, image, options in files():
        image.save(folder / name, **options)
    for name, data in raw_files():
        (folder / name).write_bytes(data)
    for path in sorted(folder.iterdir()):
        if not path.name.startswith("expected_"):
            pixels = numpy.asarray(Image.open(path).convert("RGB"))
            Image.fromarray(pixels).save(folder / f"expected_{path.name}.png")


if __name__ == "__main__":
    main()
