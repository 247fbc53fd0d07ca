"""Load a checkpoint, describe one picture, and print what it cost.

    python -m benchmarks.describe_once models/blip-demo-scenes PICTURE --detail high

Load time, seconds per stage, peak memory of the process (VmHWM, Linux), versions and threads.
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path

import torch
import transformers

from benchmarks.machine import peak_memory_mib
from caption import DescribeOptions, load_describer
from caption.options import DETAILS, STRATEGY_NAMES


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of one description.")
    parser.add_argument("model", help="a registry name or a folder")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--detail", choices=DETAILS, default="high")
    parser.add_argument("--strategy", choices=STRATEGY_NAMES, default="forced")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()

    began = time.perf_counter()
    describer = load_describer(args.model, args.device, args.precision, threads=args.threads)
    loaded = time.perf_counter() - began
    description = describer.describe(
        args.picture, DescribeOptions(detail=args.detail, strategy=args.strategy)
    )
    print(
        f"{describer.name} on {describer.device} in {describer.precision}, "
        f"{torch.get_num_threads()} threads, {platform.machine()}"
    )
    print(
        f"python {platform.python_version()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}"
    )
    print(f"load and warm-up {loaded:.1f} s")
    for stage in ("image", "encoding", "prompts", "extension", "enhancement", "total"):
        print(f"{stage:12} {getattr(description.times, stage):8.2f} s")
    memory = peak_memory_mib()
    print("peak memory  " + (f"{memory:8.0f} MiB" if memory else "not told by this system"))
    print(f"{description.stats.words} words: {description.text}")


if __name__ == "__main__":
    main()
