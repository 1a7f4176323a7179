"""Writes classes.json: what fnmatch.fnmatchcase answers for every class body.

The patterns are "[" + body + "]" for every body of at most 6 characters over
ALPHABET, in the order of itertools.product. The values of a pattern are FIRST +
SUFFIX for every character FIRST of FIRSTS and every suffix SUFFIX of body + "]",
the empty one included, longest first. The answers, one byte "0" or "1" each, are
hashed in chunks of CHUNK patterns; the file holds the first 16 digits of each
SHA-256.
"""

import fnmatch
import hashlib
import itertools
import json
import pathlib
import re

ALPHABET = "abc-!]"
FIRSTS = "abc-![]^d"
LONGEST = 6
CHUNK = 64


def answers(body):
    match = re.compile(fnmatch.translate("[" + body + "]")).match
    tail = body + "]"
    return bytes(
        48 + (match(first + tail[i:]) is not None)
        for first in FIRSTS
        for i in range(len(tail) + 1)
    )


bodies = [
    "".join(body)
    for length in range(LONGEST + 1)
    for body in itertools.product(ALPHABET, repeat=length)
]
chunks = [
    hashlib.sha256(b"".join(map(answers, bodies[i : i + CHUNK]))).hexdigest()[:16]
    for i in range(0, len(bodies), CHUNK)
]
golden = {
    "alphabet": ALPHABET,
    "firsts": FIRSTS,
    "longest": LONGEST,
    "chunk": CHUNK,
    "patterns": len(bodies),
    "chunks": chunks,
}
path = pathlib.Path(__file__).with_name("classes.json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
