"""Time of a process's first decoding, including compilation.

Started by ``benchmark_codec.py`` with a device and decoders: prints seconds as
json, by decoder, and what the second call takes.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from dark_codec import DARKCodec


def main() -> None:
    """Decode once, and once again."""
    device, *decoders = sys.argv[1:]
    maps = torch.rand(1, 17, 64, 48, device=device)
    found = {}
    for name in decoders:
        codec = DARKCodec(decoder=name)
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            codec.batch_decode(maps)
            seconds.append(time.perf_counter() - start)
        found[name] = seconds
    print(json.dumps(found))


if __name__ == '__main__':
    main()
