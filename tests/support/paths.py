"""Where things lie in the checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEMO_FOLDER = ROOT / "models" / "blip-demo-scenes"
EXAMPLES = ROOT / "caption" / "web" / "examples"
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
