"""This project's engine against plain transformers: time, memory, and how far above the machine's
floor.

    python -m benchmarks.speed [--precisions float32,bfloat16,int8] [--device cpu] [--threads N]
    [--markdown] [--json FILE]

Measured on a blip-large of random weights (made in a temporary folder, 1.8 GB, unless --folder
names a checkpoint), with fixed step counts. `--steps-share 0.05 --repeats 1` is a quick look. See
benchmarks/README.md for what the lines mean.
"""
