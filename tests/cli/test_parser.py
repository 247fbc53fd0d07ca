"""Arguments and their faults: one sentence, before any model is loaded; every help has an example."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.cli import COMMANDS, Run, StubDescriber, in_a_process


@pytest.mark.parametrize(
    "command",
    [
        (),
        *((name,) for name in COMMANDS),
        *(("models", name) for name in ("list", "download", "verify")),
    ],
)
def test_help_has_an_example(run: Run, command: tuple[str, ...]) -> None:
    done = run(*command, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"例子：\n  python -m caption {' '.join(command)}".rstrip() in done.out


def test_help_loads_nothing_heavy(folder: Path) -> None:
    code = (
        "import json, sys\nfrom caption.cli.program import main\n"
        "try:\n    main(['batch', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    out, err = in_a_process("-c", code).communicate(timeout=300)
    loaded = set(json.loads(out.splitlines()[-1]))
    assert "caption.cli.program" in loaded, err
    assert loaded.isdisjoint({"torch", "transformers", "gradio", "numpy", "PIL", "justhtml"})


def test_the_package_is_a_program(folder: Path) -> None:
    process = in_a_process("-m", "caption", "--help")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, b"")
    assert all(name in out.decode() for name in COMMANDS)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", "缺少 COMMAND"),
        ("nothing", "COMMAND 不能是 'nothing'"),
        ("describe", "缺少 IMAGE"),
        ("describe red.png --det low", "不认识的参数 --det low"),
        ("describe red.png --detail most", "--detail 不能是 'most'"),
        ("describe red.png --seed", "--seed 后面缺少一个值"),
        ("describe red.png --seed 1.5", "'1.5' 不是 0 到 2147483647 之间的整数"),
        ("describe red.png --min-support 2", "'2' 不是 0 到 1 之间的数"),
        ("describe red.png --min-support nan", "不是 0 到 1 之间的数"),
        ("describe red.png --strategy forced --min-support 0.5", "--min-support 只能和 --strategy grounded 一起用"),
        ("describe red.png --prompt a", "--prompt 只能和 --strategy plain 一起用"),
        (f"describe red.png --strategy plain --prompt {'a' * 201}", "提示词太长（最多 200 个字符）"),
        ("describe red.png --heatmaps", "--heatmaps 只能和 --json 一起用"),
        ("describe - -", "标准输入（-）只能用一次"),
        ("describe gone.png", "gone.png：没有这个文件"),
        ("describe http://127.0.0.1/a.png", "不能读取网址"),
        ("batch .", "格式 jsonl 需要 --output"),
        ("batch red.png blue.jpg --output x", "通配符要加引号"),
        ("batch gone --output x", "没有文件夹、列表或图片 'gone'"),
        ("batch . --output x --format xml", "--format 不能是 'xml'"),
        ("batch . --output x --append --overwrite", "--overwrite 不能和 --append 一起用"),
        ("batch . --output x --category dress --prompt a", "--category 只能"),
        ("batch . --output x --category dress --strategy forced", "--category 只能"),
        ("batch . --output x --batch-size 2 --strategy grounded", "--batch-size 只能"),
        ("batch . --output x --threads 0", "'0' 不是 1 到 1024 之间的整数"),
        ("batch . --output x --ray-address head", "--ray-address 只能和 --engine ray 一起用"),
        ("alt-text gone.html", "不能读取网页 'gone.html'：没有这个文件"),
        ("alt-text .", "不能读取网页 '.'：它是文件夹"),
        ("alt-text https://example.com/", "请加上 --allow-urls"),
        ("alt-text https://example.com/ --in-place --allow-urls", "网址不能和 --in-place"),
        ("alt-text red.png --max-chars 9", "'9' 不是 10 到 1000 之间的整数"),
        ("alt-text red.png --root red.png", "--root 'red.png' 不是文件夹"),
        ("models nothing", "不能是 'nothing'"),
        ("models download demo", "不能是 'demo'"),
        ("models verify demo nothing", "没有叫 'nothing' 的模型"),
        ("info extra", "不认识的参数 extra"),
    ],
)  # fmt: skip
def test_what_cant_be_done_is_one_line_before_any_model_is_loaded(
    run: Run, describer: StubDescriber, line: str, expected: str
) -> None:
    done = run(*line.split())
    assert (done.code, done.out) == (2, "")
    assert expected in done.err
    assert done.err.count("\n") == 1
    assert re.search(r"[一-鿿]", done.err)
    assert describer.loaded == []
