"""Prints the golden bits of diffusion/src/noise.rs from an independent BLAKE3 and libm.

The name of a draw is 48 bytes, so one block of one chunk is enough of BLAKE3 here.
"""

import math
import struct

IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
CHUNK_START, CHUNK_END, ROOT, DERIVE_CONTEXT, DERIVE_MATERIAL = 1, 2, 8, 32, 64
MASK = 0xFFFFFFFF


def compress(chaining, block, counter, length, flags):
    state = chaining + IV[:4] + [counter & MASK, counter >> 32, length, flags]
    words = list(struct.unpack("<16I", block.ljust(64, b"\0")))

    def rotate(value, by):
        return (value >> by | value << (32 - by)) & MASK

    def mix(a, b, c, d, x, y):
        for word, first, second in ((x, 16, 12), (y, 8, 7)):
            state[a] = (state[a] + state[b] + word) & MASK
            state[d] = rotate(state[d] ^ state[a], first)
            state[c] = (state[c] + state[d]) & MASK
            state[b] = rotate(state[b] ^ state[c], second)

    for _ in range(7):
        for i in range(4):
            mix(i, 4 + i, 8 + i, 12 + i, words[2 * i], words[2 * i + 1])
        for i in range(4):
            a, b, c, d = i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4
            mix(a, b, c, d, words[8 + 2 * i], words[9 + 2 * i])
        words = [words[i] for i in PERMUTATION]
    low = [state[i] ^ state[i + 8] for i in range(8)]
    return low + [state[i + 8] ^ chaining[i] for i in range(8)]


def derive(context, material, blocks):
    flags = CHUNK_START | CHUNK_END | ROOT
    key = compress(IV, context, 0, len(context), flags | DERIVE_CONTEXT)[:8]
    return b"".join(
        struct.pack("<16I", *compress(key, material, i, len(material), flags | DERIVE_MATERIAL))
        for i in range(blocks)
    )


def draw(context, seed, content, seed_index, step, count):
    name = struct.pack("<Q32sII", seed, content, seed_index, step)
    stream = derive(context, name, (count * 8 + 63) // 64)
    words = struct.unpack(f"<{len(stream) // 8}Q", stream)
    values = []
    for first, second in zip(words[::2], words[1::2]):
        radius = math.sqrt(-2 * math.log(((first >> 11) + 1) / 2**53))
        angle = (second >> 11) / 2**53 * 2 * math.pi
        values += [radius * math.cos(angle), radius * math.sin(angle)]
    return values[:count]


def main():
    for context in (b"mitune sampling noise v1", b"mitune forward noise v1"):
        values = draw(context, 42, bytes([7] * 32), 3, 17, 6)
        bits = [struct.unpack("<I", struct.pack("<f", value))[0] for value in values]
        print(context.decode(), bits, values)


if __name__ == "__main__":
    main()
