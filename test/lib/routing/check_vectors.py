#!/usr/bin/env python3
"""Checks rendezvous.vectors.json with an implementation of its own, written from docs/routing.md in plain Python 3.

Usage: check_vectors.py [FILE]. Exit code 0 if every vector holds; else 1, and a line for each that does not.
"""

import json
import math
import pathlib
import sys

MASK = 0xFFFFFFFF
KEY_SEEDS = (0x243F6A88, 0x85A308D3)
MEMBER_SEEDS = (0x13198A2E, 0x03707344)


def rotate_left(value, bits):
    return ((value << bits) | (value >> (32 - bits))) & MASK


def fmix32(h):
    h ^= h >> 16
    h = h * 0x85EBCA6B & MASK
    h ^= h >> 13
    h = h * 0xC2B2AE35 & MASK
    return h ^ (h >> 16)


def murmur3(data, seed):
    def scramble(k):
        return rotate_left(k * 0xCC9E2D51 & MASK, 15) * 0x1B873593 & MASK

    h = seed
    whole = len(data) - len(data) % 4
    for start in range(0, whole, 4):
        h ^= scramble(int.from_bytes(data[start : start + 4], "little"))
        h = (rotate_left(h, 13) * 5 + 0xE6546B64) & MASK
    h ^= scramble(int.from_bytes(data[whole:], "little"))
    return fmix32(h ^ len(data))


def lanes(text, seeds):
    data = text.encode("utf-8")
    return [murmur3(data, seed) for seed in seeds]


def draw(key, name):
    key_hi, key_lo = lanes(key, KEY_SEEDS)
    member_hi, member_lo = lanes(name, MEMBER_SEEDS)
    hi = fmix32(key_hi ^ member_hi)
    lo = fmix32(key_lo ^ member_lo ^ hi)
    return (hi << 20) | (lo >> 12)


def order(key, members):
    """Names, most preferred first. `members` is a list of (name, weight)."""
    uniform = len({weight for _, weight in members}) == 1

    def score(member):
        name, weight = member
        number = draw(key, name)
        return number if uniform else -weight / math.log((number + 0.5) / 2**52)

    return [name for name, _ in sorted(members, key=lambda member: (-score(member), member[0]))]


def split_weight(text):
    name, _, weight = text.partition("=")
    return name, float(weight or 1)


def check(vectors):
    """Yields (what was checked, whether it holds)."""
    for case in vectors["murmur3"]:
        yield f"murmur3 {case['text']!r}", murmur3(case["text"].encode("utf-8"), case["seed"]) == case["hash"]
    for case in vectors["draws"]:
        yield f"draw {case['key']!r} {case['member']}", draw(case["key"], case["member"]) == case["draw"]
    for group in vectors["sets"]:
        members = [split_weight(text) for text in group["members"]]
        for case in group["cases"]:
            found = order(case["key"], members)
            expected = [members[index][0] for index in case["order"]]
            yield f"{group['name']}: {case['key'][:40]!r}", found == expected and found[0] == case["owner"]


def main():
    default = pathlib.Path(__file__).with_name("rendezvous.vectors.json")
    file = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    results = list(check(json.loads(file.read_text(encoding="utf-8"))))
    for what, holds in results:
        if not holds:
            print(f"differs: {what}")
    failed = sum(not holds for _, holds in results)
    print(f"{len(results) - failed} of {len(results)} vectors hold")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
