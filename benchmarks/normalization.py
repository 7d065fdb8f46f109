"""Normalization of a VGG on 6000 samples: time and peak memory.

    python benchmarks/normalization.py [--samples 6000] [--preset fast]

The network is the VGG of `benchmarks/engines.py`, 32 x 32 x 3. Samples are random 8-bit images.
"""

from __future__ import annotations

import argparse
import os
import resource
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from engine_networks import make

from snn_core import convert
from snn_core.conversion.presets import PRESETS


def main() -> None:
    """Print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=6000)
    parser.add_argument("--preset", default="seed", choices=sorted(PRESETS))
    arguments = parser.parse_args()
    network = make("vgg")
    shape = (arguments.samples, *network.input.output_shape)
    x_b_l = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    start, used = time.perf_counter(), time.process_time()
    convert(network, x_b_l, settings=PRESETS[arguments.preset], trial=False)
    clock, used = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"preset {arguments.preset}, {arguments.samples} samples: {used:.1f} s of the processor,")
    print(f"{clock:.1f} s on the clock, peak {peak:.0f} MB (before: {before:.0f} MB)")


if __name__ == "__main__":
    main()
