"""Derives the constants of tests/it/golden.rs from docs/store-format.md, with other code than the store's.

Needs the packages `blake3` and, for the encoding of floats, nothing but `struct`.
"""

import struct

from blake3 import blake3


def head(major, number):
    for limit, additional, form in ((24, None, None), (1 << 8, 24, ">B"), (1 << 16, 25, ">H"), (1 << 32, 26, ">I")):
        if number < limit:
            if additional is None:
                return bytes([major << 5 | number])
            return bytes([major << 5 | additional]) + struct.pack(form, number)
    return bytes([major << 5 | 27]) + struct.pack(">Q", number)


def canonical(value):
    if value is None:
        return b"\xf6"
    if value is True:
        return b"\xf5"
    if value is False:
        return b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        data = value.encode()
        return head(3, len(data)) + data
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(canonical, value))
    entries = sorted((canonical(key), canonical(item)) for key, item in value.items())
    return head(5, len(entries)) + b"".join(key + item for key, item in entries)


def derive(context, data):
    return blake3(data, derive_key_context=context)


def length(count):
    return struct.pack("<Q", count)


def text(value):
    return length(len(value.encode())) + value.encode()


preimage = {
    "kind": "generate",
    "stage_rev": 3,
    "config": {
        "steps": 50,
        "guidance": 7.5,
        "eta": 0.0,
        "seed": 18446744073709551615,
        "offset": -300,
        "negative": None,
        "ddim": False,
        "latent": True,
        "sizes": [64, 65536, 4294967296],
        "salt": bytes([0, 255]),
        "a much longer name than the others": "\u00e9",
    },
    "inputs": {"prompts": "ab" * 32},
}
encoded = canonical(preimage)
print("ENCODED", encoded.hex())
print("STAGE", derive("mitune 2026 action v1", encoded).hexdigest())
family = derive("mitune 2026 family v1", encoded)
print("FAMILY", family.hexdigest())
item = canonical({"prompt": "a red circle", "seed_index": 7})
print("ITEM", derive("mitune 2026 item v1", family.digest() + item).hexdigest())

# One table: id utf8 not null, mi f64, seed u64 not null, done bool, trace list<f32>,
# image struct<bytes: binary, path: utf8>.
BOOL, U64, F32, F64, UTF8, BINARY, LIST, STRUCT = 1, 9, 10, 11, 12, 13, 14, 15


def field(name, nullable, kind):
    return text(name) + bytes([nullable]) + kind


image = bytes([STRUCT]) + length(2) + field("bytes", 1, bytes([BINARY])) + field("path", 1, bytes([UTF8]))
trace = bytes([LIST, 1, F32])
fields = length(6) + b"".join(
    [
        field("id", 0, bytes([UTF8])),
        field("mi", 1, bytes([F64])),
        field("seed", 0, bytes([U64])),
        field("done", 1, bytes([BOOL])),
        field("trace", 1, trace),
        field("image", 1, image),
    ]
)


def row(identifier, mi, seed, done, values, picture):
    data = length(6)
    data += bytes([UTF8, 1]) + text(identifier)
    data += bytes([F64]) + (b"\0" if mi is None else b"\1" + struct.pack("<d", mi))
    data += bytes([U64, 1]) + struct.pack("<Q", seed)
    data += bytes([BOOL]) + (b"\0" if done is None else bytes([1, done]))
    data += trace
    if values is None:
        data += b"\0"
    else:
        data += b"\1" + length(len(values))
        data += b"".join(b"\0" if v is None else b"\1" + struct.pack("<f", v) for v in values)
    data += image
    if picture is None:
        data += b"\0"
    else:
        content, path = picture
        data += b"\1"
        data += b"\0" if content is None else b"\1" + length(len(content)) + content
        data += b"\0" if path is None else b"\1" + text(path)
    return derive("mitune 2026 row v1", data).digest()


rows = [
    row("a", 1.5, 2**64 - 1, True, [0.5, None, -2.0], (bytes([1, 2, 3]), "0000.png")),
    row("", None, 0, None, None, None),
    row("\u00e9", -0.0, 7, False, [], (None, None)),
]
for number, digest in enumerate(rows):
    print(f"ROW{number}", digest.hex())
print("TABLE", derive("mitune 2026 table content v1", length(len(fields)) + fields + b"".join(rows)).hexdigest())

tensors = [("bias", "F32", [2], struct.pack("<2f", 1.0, -1.0)), ("weight", "F16", [1, 2], bytes([0, 60, 0, 64]))]
data = b""
for name, kind, shape, content in tensors:
    data += text(name) + text(kind) + length(len(shape)) + b"".join(map(length, shape)) + length(len(content)) + content
print("TENSORS", derive("mitune 2026 tensors content v1", data).hexdigest())

listing = text("a.txt") + blake3(b"x").digest() + text("b/c") + blake3(b"").digest()
print("DIRECTORY", derive("mitune 2026 directory content v1", listing).hexdigest())
print("JSON", derive("mitune 2026 json content v1", canonical({"n": 1, "x": [0.5]})).hexdigest())
print("FILE", blake3(b"a red circle").hexdigest())
