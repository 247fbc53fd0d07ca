"""`info`: the facts as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.cli import Run


def test_info(run: Run, tiny_folder: Path) -> None:
    done = run(
        "info", "--json", "--model", tiny_folder, "--device", "cpu", "--precision", "float32"
    )
    facts = json.loads(done.out)
    assert (facts["model"], facts["folder"], facts["device"]) == (
        tiny_folder.name,
        str(tiny_folder),
        "cpu",
    )
    assert (facts["precision"], facts["calibrated"]) == ("float32", False)
    assert {"caption", "python", "torch", "transformers"} <= set(facts["versions"])
    assert f"模型：{tiny_folder.name}" in run("info", "--model", tiny_folder).out
