"""Where the benchmarks find what they measure with."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "caption" / "web" / "examples"
PHOTOGRAPH = EXAMPLES / "coffee.png"
DEMO_FOLDER = ROOT / "models" / "blip-demo-scenes"
