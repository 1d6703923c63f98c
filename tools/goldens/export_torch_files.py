"""Writes small files by `torch.save` in every format, and the tensors that PyTorch finds in them.

Run: python tools/goldens/export_torch_files.py diffusion/tests/golden/torch_files
"""

import argparse
import collections
import io
import pathlib
import sys
import types

import numpy
import torch
from safetensors.torch import save_file
from torch import nn


def floats(*shape):
    count = int(numpy.prod(shape))
    return torch.sin(torch.arange(count, dtype=torch.float64) * 0.7).to(torch.float32).reshape(shape)


def types_of_elements():
    whole = torch.arange(-3, 3)
    named = {str(kind)[6:]: floats(2, 3).to(kind) for kind in
             [torch.float32, torch.float16, torch.bfloat16, torch.float64]}  # fmt: skip
    named |= {str(kind)[6:]: whole.to(kind) for kind in [torch.int64, torch.int32, torch.int16, torch.int8]}
    return named | {"uint8": whole.to(torch.uint8), "bool": whole > 0}


def new_types():
    kinds = [torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16, torch.uint32, torch.uint64]
    return {str(kind)[6:]: torch.arange(5).to(torch.float32).to(kind) for kind in kinds} | {"a": floats(2)}


def module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2))


def stand_in(module_name, name, base=object):
    """A class of a package that is not needed to read the file."""
    parts = module_name.split(".")
    for end in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:end]), types.ModuleType(".".join(parts[:end])))
    made = type(name, (base,), {"__module__": module_name})
    setattr(sys.modules[module_name], name, made)
    return made


def checkpoint():
    model = module()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(floats(1, 2, 3, 3).repeat(2, 1, 1, 1)).sum().backward()
    optimizer.step()
    settings = stand_in("pytorch_lightning.utilities.parsing", "AttributeDict", dict)
    callback = stand_in("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    return {
        "state_dict": model.state_dict(),
        "ema": collections.OrderedDict((name, value * 0.5) for name, value in model.named_parameters()),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "global_step": 2**40,
        "large": -(2**90),
        "loss": 0.25,
        "best": numpy.float64(0.5),
        "count": numpy.int64(7),
        "args": argparse.Namespace(lr=0.1, names=["a", "b"], device=torch.device("cpu")),
        "hyper_parameters": settings(lr=0.1, size=torch.Size([2, 3]), dtype=torch.float16),
        "callbacks": {callback: {"best_model_score": numpy.float32(0.5), "path": pathlib.PurePosixPath("a/b")}},
        "sets": [{1, 2}, frozenset(["a"]), 1j, b"\xff\x00", bytearray(b"ab"), None, True, (), ("a",)],
        "history": collections.defaultdict(list, {"loss": [0.5, 0.25]}),
        "counter": collections.Counter("aab"),
    }


def views():
    base = floats(4, 6)
    images = floats(2, 3, 4, 5)
    return {
        "base": base,
        "turned": base.t(),
        "rows": base[1:3],
        "columns": base[:, 1:3],
        "every_second": base[::2, ::3],
        "row": base[2],
        "scalar": base[3, 5],
        "expanded": base[:1].expand(3, 6),
        "one": torch.tensor(2.5),
        "empty": torch.empty(0),
        "empty_axes": torch.empty(3, 0, 2),
        "channels_last": images.contiguous(memory_format=torch.channels_last),
        "permuted": images.permute(2, 0, 3, 1),
        "tied": base,
        "windows": floats(8).unfold(0, 3, 1),
    }


def names():
    return {
        "größe.重み": floats(2),
        "with space/and:marks": floats(3),
        "": {"inner": floats(1)},
        "list": [floats(2), (floats(1), {"deep": floats(2)})],
        7: floats(2),
    }


def parameters():
    plain = nn.Parameter(floats(2, 2))
    named = nn.Parameter(floats(3), requires_grad=False)
    named.note = "an attribute"
    return {"plain": plain, "with_attribute": named, "of_half": nn.Parameter(floats(2).half())}


def tensors(value, path=()):
    """Names and copies of all tensors in a value."""
    if isinstance(value, torch.Tensor):
        return {".".join(path).lstrip("."): value.detach().clone(memory_format=torch.contiguous_format)}
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        return {}
    found = {}
    for key, inner in items:
        found |= tensors(inner, (*path, str(key)))
    return found


def main(folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    values = dict(
        types=types_of_elements(),
        new_types=new_types(),
        module=module().state_dict(),
        checkpoint=checkpoint(),
        views=views(),
        names=names(),
        parameters=parameters(),
    )
    for name, value in values.items():
        save_file(tensors(value), folder / f"{name}.safetensors")
        # The folder in the archive bears the file's name, or `archive` where there is none.
        torch.save(value, folder / f"{name}.zip.pt")
        buffer = io.BytesIO()
        torch.save(value, buffer)
        (folder / f"{name}.buffer.pt").write_bytes(buffer.getvalue())
        torch.save(value, folder / f"{name}.protocol4.pt", pickle_protocol=4)
        torch.save(value, folder / f"{name}.legacy.pt", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
