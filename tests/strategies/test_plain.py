"""plain: one caption, taken as the model writes it, or the user's beginning gone on with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from safetensors.torch import load_file, save_file

from caption import DescribeOptions, load_describer
from tests.support.paths import ROOT

PICTURE = Image.new("RGB", (32, 32), (10, 120, 200))


def test_one_caption_without_prompt(scripted) -> None:
    description, asked = scripted(DescribeOptions(strategy="plain"), {"": "a photo of a dog"})
    assert description.text == "A dog"
    assert [prompt for prompt, _ in asked] == [""]
    assert description.candidates[0].reason == "only"


def test_a_prompt_of_the_users_own_begins_the_caption(scripted) -> None:
    options = DescribeOptions(strategy="plain", prompt="a summer dress product with ")
    description, asked = scripted(options, {"a summer dress": "a floral print"})
    assert description.text == "A summer dress product with a floral print"
    assert [prompt for prompt, _ in asked] == ["a summer dress product with"]
    assert (description.sentences[0].prompt, description.options["prompt"]) == (
        options.prompt,
        options.prompt,
    )


def test_a_caption_may_go_on_within_the_prompts_last_word(scripted) -> None:
    description, _ = scripted(
        DescribeOptions(strategy="plain", prompt="two dog"), {"two dog": "##s on a couch"}
    )
    assert description.text == "Two dogs on a couch"


def test_nonwords_are_kept_from_being_written(
    tiny_folder: Path, tmp_path: Path, monkeypatch
) -> None:
    """A model that would say "araffe" all the time, as blip-large does in places."""
    folder = shutil.copytree(tiny_folder, tmp_path / "araffe")
    vocabulary = (folder / "vocab.txt").read_text().splitlines()
    beginning, end = vocabulary.index("photography"), vocabulary.index("professional")
    vocabulary[beginning], vocabulary[end] = "ara", "##ffe"
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    weights = load_file(folder / "model.safetensors")
    weights["text_decoder.cls.predictions.bias"][[beginning, end]] += 20.0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    monkeypatch.setattr("caption.strategies.call.clean_caption", lambda text, **_: text)
    describer = load_describer(str(folder), device="cpu", precision="float32")

    def text(suppress: bool) -> str:
        options = DescribeOptions(strategy="plain", suppress_nonwords=suppress)
        return describer.describe(PICTURE, options).text

    assert "ara" in text(False)
    assert "ara" not in text(True)


def test_the_parser_is_not_loaded(tiny_folder: Path) -> None:
    code = (
        "import json, sys\nfrom PIL import Image\nfrom caption import DescribeOptions, load_describer\n"
        f"describer = load_describer({str(tiny_folder)!r}, device='cpu')\n"
        "description = describer.describe(Image.new('RGB', (32, 32)), DescribeOptions(strategy='plain'))\n"
        "print(json.dumps([len(description.candidates), 'spacy' in sys.modules]))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [1, False]
