"""Writes what the references of the judges make of pictures: of the files beside diffusion's tests, and of a formula.

Usage: export_judges_preprocessing.py [FILE]; by default judges/tests/golden/preprocessing.json. Needs Pillow, torch,
torchvision, transformers, clean-fid and hpsv2, of whose packages single modules are loaded.

Of every result some values are kept. Where the reference resizes to 8 bits, their checksum is kept as well.
"""

import importlib
import json
import pathlib
import sys
import types
import zlib

import numpy
import PIL
import torch
import torchvision
import transformers
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor
from transformers.models.clip.image_processing_clip import CLIPImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = pathlib.Path(__file__).resolve().parents[2]
FILES = HERE / "diffusion/tests/golden/image_files"
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
IMAGE_NET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
BICUBIC = InterpolationMode.BICUBIC
SIZES = [(1, 1), (224, 100), (1, 1000), (1000, 1), (227, 300), (30, 20), (512, 512), (35, 35), (64, 33)]
# Of these Pillow 13 resizes columns first: picture, recipe and what it is given.
TALL = [((227, 300), "blip", 224), ((33, 77), "open_ai_clip", 32), ((512, 768), "blip", 480), ((640, 1536), "open_ai_clip", 224),
        ((640, 1536), "dgm_eval", 224), ((300, 900), "clean_fid", 299)]
KEPT = 40


def module(name):
    """A module of a package whose own first lines are not run."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        parent = ".".join(parts[:end])
        if parent not in sys.modules:
            package = types.ModuleType(parent)
            places = [pathlib.Path(folder) for folder in sys.path]
            package.__path__ = [str(place.joinpath(*parts[:end])) for place in places if place.joinpath(*parts[:end]).is_dir()]
            sys.modules[parent] = package
    return importlib.import_module(name)


def formula(mode, width, height):
    channels = len(mode)
    y, x, c = numpy.meshgrid(numpy.arange(height), numpy.arange(width), numpy.arange(channels), indexing="ij")
    return Image.fromarray(((x * 7 + y * 13 + c * 50 + x * y * (c + 1)) % 256).astype(numpy.uint8), mode)


def pictures():
    for path in sorted(FILES.glob("*.png")):
        if not path.name.startswith("expected_"):
            yield path.name, Image.open(path)
    for width, height in SIZES:
        for mode in ("RGB", "RGBA"):
            yield f"{mode} {width} {height}", formula(mode, width, height)


def rows(tensor):
    return numpy.asarray(tensor, dtype=numpy.float32).transpose(1, 2, 0)


def open_ai_clip(image, side):
    steps = [Resize(side, interpolation=BICUBIC), CenterCrop(side), lambda image: image.convert("RGB"), ToTensor(),
             Normalize(*CLIP)]
    return rows(Compose(steps)(image))


def transformers_pillow(image, settings):
    # transformers 4 drops alpha; the class of transformers 5 gets an image that knows of none.
    opaque = Image.fromarray(numpy.array(image.convert("RGB")))
    return rows(CLIPImageProcessorPil(**settings)(opaque, return_tensors="np")["pixel_values"][0])


def transformers_torchvision(image, settings):
    return rows(CLIPImageProcessor(**settings)(image, return_tensors="pt")["pixel_values"][0])


def hps(image, side, antialias):
    transform = module("hpsv2.src.open_clip.transform")
    whole = torchvision.transforms.functional.resize
    changed = types.SimpleNamespace(**vars(torchvision.transforms.functional))
    changed.resize = lambda tensor, size, interpolation: whole(tensor, size, interpolation, antialias=antialias)
    transform.F = changed
    return rows(transform.image_transform(side, False, resize_longest_max=True)(image.convert("RGB")))


def squashed(image, side, moments):
    steps = [Resize((side, side), interpolation=BICUBIC), ToTensor(), Normalize(*moments)]
    return rows(Compose(steps)(image.convert("RGB")))


def cmmd(image, side):
    # `_center_crop_and_resize`, then the image processor without resizing; alpha and palettes go first.
    image = image.convert("RGB")
    width, height = image.size
    length = min(width, height)
    top, left = (height - length) // 2, (width - length) // 2
    image = image.crop((left, top, left + length, top + length)).resize((side, side), resample=Image.BICUBIC)
    values = numpy.asarray(image).astype(numpy.float32)[None] / 255.0
    values = torch.nn.functional.interpolate(torch.from_numpy(values.transpose(0, 3, 1, 2)), (side, side), mode="bicubic")
    processor = CLIPImageProcessorPil(do_resize=False, do_center_crop=False, do_rescale=False)
    return rows(processor(values[0].numpy(), return_tensors="np", input_data_format="channels_first")["pixel_values"][0])


def clean_fid(image):
    resized = module("cleanfid.resize").build_resizer("clean")(numpy.array(image.convert("RGB")))
    return ((torch.from_numpy(resized) - 128) / 128).numpy()


def settings(edge, height, width):
    return dict(size=dict(shortest_edge=edge), crop_size=dict(height=height, width=width))


def recipes(image, is_large):
    side = 224 if is_large else 32
    yield "open_ai_clip", side, CLIP, lambda: open_ai_clip(image, side)
    for given in (settings(side, side, side), settings(20, 33, 26)):
        yield "transformers_pillow", given, CLIP, lambda: transformers_pillow(image, given)
        yield "transformers_torchvision", given, CLIP, lambda: transformers_torchvision(image, given)
    if max(image.size) != side:
        yield "hps", side, None, lambda: hps(image, side, False)
        yield "hps_antialias", side, None, lambda: hps(image, side, True)
    yield "blip", side, CLIP, lambda: squashed(image, side, CLIP)
    yield "dgm_eval", side, IMAGE_NET, lambda: squashed(image, side, IMAGE_NET)
    yield "cmmd", side, CLIP, lambda: cmmd(image, side)
    yield "clean_fid", 299, None, lambda: clean_fid(image)


def case(name, recipe, given, moments, make):
    found = dict(picture=name, recipe=recipe, given=given)
    try:
        values = make()
    except (RuntimeError, ValueError) as error:
        return dict(found, fails=str(error)[:60])
    flat = values.reshape(-1)
    places = numpy.linspace(0, flat.size - 1, KEPT).astype(int)
    found.update(height=values.shape[0], width=values.shape[1], values=[float(f"{flat[place]:.9g}") for place in places])
    if moments:
        mean, std = (numpy.array(part) for part in moments)
        recovered = (values.astype(numpy.float64) * std + mean) * 255
        assert numpy.abs(recovered - recovered.round()).max() < 1e-3
        found["checksum"] = zlib.adler32(recovered.round().astype(numpy.uint8).tobytes())
    return found


def tall(image, name, recipe, side):
    moments, make = {
        "open_ai_clip": (CLIP, lambda: open_ai_clip(image, side)),
        "blip": (CLIP, lambda: squashed(image, side, CLIP)),
        "dgm_eval": (IMAGE_NET, lambda: squashed(image, side, IMAGE_NET)),
        "clean_fid": (None, lambda: clean_fid(image)),
    }[recipe]
    return case(name, recipe, side, moments, make)


def main():
    cases = []
    for name, image in pictures():
        is_large = max(image.size) == 512 or name == "palette.png"
        for recipe in recipes(image, is_large):
            cases.append(case(name, *recipe))
    for (width, height), recipe, side in TALL:
        for mode in ("RGB", "RGBA") if recipe == "open_ai_clip" else ("RGB",):
            cases.append(tall(formula(mode, width, height), f"{mode} {width} {height}", recipe, side))
    # Inks are mixed before they become colours.
    inks = Image.open(FILES / "cmyk.jpg")
    cases.append(case("cmyk.jpg", "open_ai_clip", 32, None, lambda: open_ai_clip(inks, 32)))
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "judges/tests/golden/preprocessing.json"
    versions = dict(pillow=PIL.__version__, torch=torch.__version__.split("+")[0],
                    torchvision=torchvision.__version__.split("+")[0], transformers=transformers.__version__)
    lines = ",\n".join(json.dumps(found, separators=(",", ":")) for found in cases)
    out.write_text(f'{{"versions":{json.dumps(versions)},"cases":[\n{lines}\n]}}\n')
    print(len(cases), "cases,", sum("fails" in found for found in cases), "fail")


if __name__ == "__main__":
    main()
