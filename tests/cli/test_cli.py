"""The command line: what stands on standard output and standard error, exit codes, pipes and
Ctrl+C.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from caption.cli import batch as batch_command
from caption.cli.main import main as cli
from caption.errors import HTTP_STATUS, CaptionError, ModelError, OptionsError
from caption.hub.find import DamagedModel, find_model
from caption.image.load import load_image
from caption.jobs import find as find_module
from caption.jobs import local as local_module
from caption.jobs.options import BatchOptions
from caption.jobs.report import BatchProgress
from caption.language.text import caption_stats
from caption.options import DescribeOptions
from caption.types import Description, Progress, Sentence, StageTimes, WordEvidence
from tests.support.paths import DEMO_FOLDER, ROOT

COMMANDS = ("describe", "batch", "alt-text", "models", "info")


class Teller:
    """Stands for a loaded model: tells a picture's colour."""

    device, precision, damaged = "cpu", "float32", ()
    judge = SimpleNamespace(matcher=None, calibration=None, can_refuse=True)
    model = SimpleNamespace(folder=Path("/models/tiny"))

    def __init__(self) -> None:
        self.name = "tiny"
        self.asked: list[DescribeOptions] = []
        self.fault: BaseException | None = None
        self.changes: dict[str, Any] = {}  # fields of the description

    def stream(
        self, image: Any, options: DescribeOptions, stop: Any = None
    ) -> Iterator[Progress | Description]:
        picture = load_image(image)
        self.asked.append(options)
        yield Progress(0.0, "encoding")
        yield Progress(0.25, "prompts", step=1, steps=4)
        yield Progress(0.5, "prompts", step=2, steps=4)
        if self.fault:
            raise self.fault
        red, _, blue = picture.getpixel((0, 0))  # type: ignore[misc]
        text = f"A {'red' if red > blue else 'blue'} picture."
        heat = WordEvidence("picture", 0.5, ((0, 255),))
        told = Description(
            text, (Sentence(text, "", 1, support=0.934, words=(heat,)),), (), caption_stats(text), StageTimes(), self.name,
            "cpu", "float32", options.seed, calibrated=True,
        )  # fmt: skip
        yield dataclasses.replace(told, **self.changes)

    def describe(self, image: Any, options: DescribeOptions) -> Description:
        *_, last = self.stream(image, options)
        assert isinstance(last, Description)
        return last

    def describe_batch(
        self, images: Sequence[Any], options: DescribeOptions, stop: Any = None
    ) -> list[Any]:
        found: list[Any] = []
        for image in images:
            try:
                found.append(self.describe(image, options))
            except CaptionError as error:
                found.append(error)
        return found


@dataclasses.dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A command within this process."""

    def run(*argv: object) -> Done:
        try:
            code = cli([str(one) for one in argv])
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def teller(monkeypatch: pytest.MonkeyPatch) -> Teller:
    """What every command loads; `teller.loaded` holds how it was asked for."""
    teller = Teller()
    teller.loaded = []  # type: ignore[attr-defined]

    def load(*args: object, **more: object) -> Teller:
        teller.loaded.append((args, more))  # type: ignore[attr-defined]
        return teller

    monkeypatch.setattr("caption.loading.load_describer", load)
    return teller


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where every test stands: two pictures and a file that is none."""
    for name in ("MODEL", "DEVICE", "PRECISION", "CALIBRATION", "THREADS"):
        monkeypatch.delenv(f"BLIP_{name}", raising=False)
    Image.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    Image.new("RGB", (32, 32), "blue").save(tmp_path / "blue.jpg")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def in_a_process(*argv: object, **more: Any) -> subprocess.Popen[bytes]:
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *map(str, argv)], env=environment, **streams)


# ------------------------------------------------------------------------------------------------- arguments


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


def test_help_loads_nothing_heavy(place: Path) -> None:
    code = (
        "import json, sys\nfrom caption.cli.main import main\ntry:\n    main(['batch', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    out, err = in_a_process("-c", code).communicate(timeout=300)
    loaded = set(json.loads(out.splitlines()[-1]))
    assert "caption.cli.main" in loaded, err
    assert loaded.isdisjoint({"torch", "transformers", "gradio", "numpy", "PIL", "justhtml"})


def test_the_package_is_a_program(place: Path) -> None:
    process = in_a_process("-m", "caption", "--help")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, b"")
    assert all(name in out.decode() for name in COMMANDS)


@pytest.mark.parametrize(
    ("line", "told"),
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
    run: Run, teller: Teller, line: str, told: str
) -> None:
    done = run(*line.split())
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert done.err.count("\n") == 1
    assert re.search(r"[一-鿿]", done.err)
    assert teller.loaded == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OptionsError("x", name="device"), "设备 'auto' 不存在"),
        (ModelError("nothing there", code="model_missing"), "没有找到模型文件"),
        (ModelError("vocab.txt is\nempty"), "模型文件已损坏"),
    ],
)
@pytest.mark.parametrize(
    "line", ["describe red.png", "batch . --output x", "alt-text page.html", "info"]
)
def test_a_model_that_cant_be_loaded_is_one_line(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    place: Path,
    line: str,
    error: CaptionError,
    told: str,
) -> None:
    def load(*_: object, **__: object) -> None:
        raise error

    (place / "page.html").write_text("<img src=red.png>")
    monkeypatch.setattr("caption.loading.load_describer", load)
    done = run(*line.split())
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert told in done.err


def test_the_models_options_and_their_variables(
    run: Run, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("describe", "red.png").code == 0
    monkeypatch.setenv("BLIP_MODEL", "base")
    monkeypatch.setenv("BLIP_THREADS", "3")
    chosen = ("--device", "cuda:1", "--precision", "int8", "--calibration", "c.json")
    assert run("describe", "red.png", *chosen).code == 0
    assert run("describe", "red.png", "--model", "large").code == 0
    assert teller.loaded == [  # type: ignore[attr-defined]
        (("auto", "auto", "auto"), {"threads": None, "calibration": None}),
        (("base", "cuda:1", "int8"), {"threads": 3, "calibration": Path("c.json")}),
        (("large", "auto", "auto"), {"threads": 3, "calibration": None}),
    ]


# ------------------------------------------------------------------------------------------------- describe


def test_describe(run: Run, teller: Teller) -> None:
    done = run("describe", "red.png")
    assert (done.code, done.out) == (0, "A red picture.\n")
    assert done.err.splitlines() == ["red.png：编码图片…", "red.png：多提示词生成：第 1/4 步"]
    assert teller.asked == [DescribeOptions()]


def test_describe_passes_its_options_on(run: Run, teller: Teller) -> None:
    run(
        "describe",
        "red.png",
        "--strategy",
        "grounded",
        "--detail",
        "low",
        "--seed",
        7,
        "--min-support",
        0.25,
    )
    run("describe", "red.png", "--strategy", "plain", "--prompt", "a photo of")
    assert teller.asked == [
        DescribeOptions(strategy="grounded", detail="low", seed=7, min_support=0.25),
        DescribeOptions(strategy="plain", prompt="a photo of"),
    ]


def test_several_pictures_and_one_that_is_none(run: Run, teller: Teller) -> None:
    done = run("describe", "red.png", "bad.png", "gone.png", "blue.jpg")
    assert (done.code, done.lines) == (3, ["red.png: A red picture.", "blue.jpg: A blue picture."])
    assert "bad.png：图片文件不完整" in done.err
    assert "gone.png：没有这个文件" in done.err


def test_only_pictures_that_are_none(run: Run, teller: Teller) -> None:
    done = run("describe", "bad.png")
    assert (done.code, done.out) == (2, "")
    assert done.err == "bad.png：图片文件不完整，请重新导出或重新下载后再试。\n"


def test_describe_json(run: Run, teller: Teller) -> None:
    lines = run("describe", "--json", "red.png", "blue.jpg").lines
    first, second = map(json.loads, lines)
    assert (first["image"], first["text"], second["text"]) == (
        "red.png",
        "A red picture.",
        "A blue picture.",
    )
    assert first["sentences"][0]["words"] == [{"word": "picture", "support": 0.5}]
    (line,) = run("describe", "--json", "--heatmaps", "red.png").lines
    assert json.loads(line)["sentences"][0]["words"][0]["heat"] == [[0, 255]]


def test_describe_reads_standard_input(
    run: Run, teller: Teller, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for data, code, out in (
        ((place / "blue.jpg").read_bytes(), 0, "A blue picture.\n"),
        (b"", 2, ""),
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        done = run("describe", "-")
        assert (done.code, done.out) == (code, out)


def test_a_refused_picture_has_no_text(run: Run, teller: Teller) -> None:
    teller.changes = {"text": "", "refusal": "noise", "readability": 0.03}
    done = run("describe", "red.png")
    assert (done.code, done.out) == (3, "")
    assert "red.png：这张图片无法可靠地描述" in done.err
    done = run("describe", "red.png", "--json")
    assert (done.code, json.loads(done.out)["refusal"]) == (3, "noise")


def test_what_was_cut_short_and_who_speaks_is_told(run: Run, teller: Teller) -> None:
    teller.name, teller.damaged = "demo", (DamagedModel("large", "cut off"),)  # type: ignore[assignment]
    teller.changes = {"failure": "out_of_memory"}
    done = run("describe", "red.png")
    assert (done.code, done.out) == (0, "A red picture.\n")
    for told in ("内存或显存不足", "演示模型只认识绘制的场景", "BLIP-large 的文件已损坏"):
        assert told in done.err


@pytest.mark.parametrize(
    "line", ["describe red.png", "batch . --output out.jsonl", "alt-text page.html"]
)
def test_control_c_is_one_line(run: Run, teller: Teller, place: Path, line: str) -> None:
    (place / "page.html").write_text("<img src=red.png>")
    teller.fault = KeyboardInterrupt()
    done = run(*line.split())
    assert (done.code, done.out) == (130, "")
    assert done.err.splitlines()[-1].startswith("已停止")
    assert "Traceback" not in done.err


def test_the_real_thing(run: Run, tiny_folder: Path, place: Path) -> None:
    done = run(
        "describe",
        "red.png",
        "--json",
        "--strategy",
        "plain",
        "--model",
        tiny_folder,
        "--device",
        "cpu",
    )
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["model"], said["options"]["strategy"]) == (tiny_folder.name, "plain")
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


# ------------------------------------------------------------------------------------------------- batch


def test_batch(run: Run, teller: Teller, place: Path) -> None:
    done = run("batch", ".", "--output", "out.jsonl")
    assert (done.code, done.out) == (3, "")
    captions = {
        row["path"]: row["caption"]
        for row in map(json.loads, (place / "out.jsonl").read_text().splitlines())
    }
    assert {name: text for name, text in captions.items() if text} == {
        "red.png": "A red picture.",
        "blue.jpg": "A blue picture.",
    }
    assert "bad.png：图片文件不完整" in done.err
    assert "（image_truncated）" in done.err
    assert "共 3 张：描述了 2 张" in done.err
    assert re.search(r"100%\|.*3/3 \[.*images/s, 还剩 00:00\]", done.err)
    teller.asked.clear()
    assert run("batch", ".", "--output", "out.jsonl").code == 3
    assert teller.asked == []
    (place / "bad.png").unlink()
    assert run("batch", "*.??g", "--output", "out.jsonl").code == 0


def test_batch_passes_its_options_on(
    run: Run, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []
    real = local_module.run_batch

    def listening(*args: Any) -> Any:
        asked.append(args[1:])
        return real(*args)

    monkeypatch.setattr(local_module, "run_batch", listening)
    run(
        "batch",
        "red.png",
        "--format",
        "kohya",
        "--prefix",
        "p ",
        "--suffix",
        " s",
        "--category",
        "summer dress",
        "--append",
    )
    run(
        "batch",
        "red.png",
        "--format",
        "csv",
        "--output",
        "o",
        "--overwrite",
        "--recursive",
        "--write-metadata",
        "--batch-size",
        4,
    )
    grounded = (
        "--strategy",
        "grounded",
        "--detail",
        "low",
        "--seed",
        3,
        "--min-support",
        0.5,
        "--skip-existing",
    )
    run("batch", "red.png", "--output", "o.jsonl", *grounded)
    assert asked == [
        (
            "red.png",
            None,
            BatchOptions(
                format="kohya", prefix="p ", suffix=" s", category="summer dress", existing="append"
            ),
        ),
        (
            "red.png",
            "o",
            BatchOptions(
                format="csv",
                existing="overwrite",
                recursive=True,
                write_metadata=True,
                batch_size=4,
            ),
        ),
        (
            "red.png",
            "o.jsonl",
            BatchOptions(
                DescribeOptions(strategy="grounded", detail="low", seed=3, min_support=0.5)
            ),
        ),
    ]
    assert teller.asked[0].prompt == "a summer dress product with "


def test_batch_on_ray(
    run: Run, teller: Teller, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from caption.jobs import ray as batch_ray

    def on_ray(workers: batch_ray.Workers, *args: Any, address: str | None) -> Any:
        asked.append((workers, *args, address))
        return local_module.run_batch(teller, *args)  # type: ignore[arg-type]

    asked: list[tuple[Any, ...]] = []
    found: list[str] = ["ray"]
    monkeypatch.setattr(batch_ray, "run_batch_on_ray", on_ray)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in found or None)
    chosen = ("--engine", "ray", "--model", tiny_folder)
    done = run(
        "batch",
        "red.png",
        "--output",
        "o",
        *chosen,
        "--ray-address",
        "head:6379",
        "--device",
        "cpu",
        "--threads",
        2,
    )
    assert (done.code, done.out) == (0, "")
    workers = batch_ray.Workers(find_model(str(tiny_folder)), "cpu", "auto", 2, None)
    assert asked == [(workers, "red.png", "o", BatchOptions(), "head:6379")]
    assert teller.loaded == []  # type: ignore[attr-defined]
    found.clear()
    done = run("batch", "red.png", "--output", "o", *chosen)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"pip install '{batch_ray.RAY_REQUIREMENT}'" in done.err


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OptionsError("no cluster", name="ray_address"), "没有连上 Ray 集群"),
        (OptionsError("no machine", name="device"), "设备 'auto' 不存在"),
        (OptionsError("no room", name="prompt"), "参数 prompt 的值无效"),
        (ModelError("gone", code="model_missing"), "没有找到模型文件"),
    ],
)
def test_what_a_batch_cant_begin_with(
    run: Run, teller: Teller, monkeypatch: pytest.MonkeyPatch, error: CaptionError, told: str
) -> None:
    def failing(*_: object) -> Iterator[BatchProgress]:
        yield from ()
        raise error

    monkeypatch.setattr(local_module, "run_batch", failing)
    done = run("batch", ".", "--output", "out.jsonl")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert told in done.err


def test_batch_tells_what_it_skips_and_where_it_cant_write(
    run: Run, teller: Teller, place: Path
) -> None:
    (place / "bad.png").unlink()
    (place / "away.png").symlink_to(ROOT / "caption" / "web" / "examples" / "chelsea.png")
    (place / "film.gif").write_bytes(b"")
    os.unlink(place / "film.gif")
    Image.new("RGB", (32, 32), "red").save(place / "film.gif")
    done = run("batch", ".", "--output", "out.jsonl", "--write-metadata")
    assert done.code == 0
    assert "away.png：链接指到了文件夹外面，跳过。（link_outside）" in done.err
    assert "film.gif：描述没有写进图片" in done.err
    done = run("batch", ".", "--output", ".")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("不能写到 '.'")


def test_batch_tells_what_it_left_alone(run: Run, teller: Teller, place: Path) -> None:
    done = run("batch", place / "red.*", "--output", "captions.jsonl")
    assert done.code == 0
    assert "别的" not in done.err
    done = run("batch", place / "red.*", "--output", "captions.jsonl", "--prefix", "new ")
    assert (done.code, "张的描述是用别的模型或选项写的" in done.err) == (0, True)
    Image.new("RGB", (9, 9)).save(place / "red.png")
    assert (
        "red.png：图片和上次不同" in run("batch", place / "red.*", "--output", "captions.jsonl").err
    )
    done = run("batch", place / "*.jgp", "--output", "captions.jsonl", "--overwrite")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "没有找到图片" in done.err
    assert (place / "captions.jsonl").stat().st_size > 0


def test_batch_on_a_full_disk(run: Run, teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise CaptionError("no space", code="disk_full")

    monkeypatch.setattr("caption.jobs.journal.Journal.append", full)
    done = run("batch", ".", "--output", "out.jsonl")
    assert (done.code, done.out) == (4, "")
    assert done.err.splitlines()[-1] == "磁盘空间不足，请清理磁盘后再试。"


def test_every_fault_of_a_batch_has_words() -> None:
    assert (
        set(find_module.FAULTS)
        <= set(batch_command._FAULTS_ZH)
        <= {*find_module.FAULTS, *HTTP_STATUS}
    )
    assert all(
        batch_command._fault_zh(code).endswith("。") for code in (*find_module.FAULTS, *HTTP_STATUS)
    )


# ------------------------------------------------------------------------------------------------- alt-text

PAGE = "<p>\r\n<img src=red.png>\r\n<img src='blue.jpg'><img alt='' src=red.png><img alt=x>"
FILLED = "<p>\r\n<img alt=\"A red picture.\" src=red.png>\r\n<img alt=\"A blue picture.\" src='blue.jpg'><img alt='' src=red.png><img alt=x>"


@pytest.fixture
def page(place: Path) -> Path:
    path = place / "页 1.html"
    path.write_bytes(PAGE.encode())
    return path


def test_alt_text(teller: Teller, page: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert cli(["alt-text", str(page)]) == 0
    out, err = capsysbinary.readouterr()
    assert out == FILLED.encode()
    assert err.decode().splitlines() == [
        "第 2 行 red.png：A red picture.（支持度 93 %）",
        "第 3 行 blue.jpg：A blue picture.（支持度 93 %）",
        "第 3 行 red.png：装饰图片，没有动。",
        "写了 2 条 alt，留给人写 0 张，装饰图片 1 张没有动，1 张原来就有 alt。",
    ]
    assert page.read_bytes() == PAGE.encode()
    assert set(teller.asked) == {DescribeOptions(strategy="grounded")}


def test_alt_text_in_place(run: Run, teller: Teller, page: Path, place: Path) -> None:
    page.chmod(0o640)
    link = place / "link.html"
    link.symlink_to(page)
    done = run(
        "alt-text", "--in-place", "--detail", "low", "--seed", 5, "--min-support", 0.75, link
    )
    assert (done.code, done.err) == (0, "")
    assert done.lines[-1].startswith("写了 2 条 alt")
    assert page.read_bytes() == FILLED.encode()
    assert link.is_symlink()
    assert stat.S_IMODE(page.stat().st_mode) == 0o640
    assert set(teller.asked) == {
        DescribeOptions(strategy="grounded", detail="low", seed=5, min_support=0.75)
    }
    before = page.stat()
    teller.loaded.clear()  # type: ignore[attr-defined]
    assert run("alt-text", "--in-place", page).code == 0
    assert (page.stat().st_mtime_ns, page.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert teller.loaded == []  # type: ignore[attr-defined]
    assert sorted(path.name for path in place.iterdir()) == [
        "bad.png",
        "blue.jpg",
        "link.html",
        "red.png",
        page.name,
    ]


def test_alt_text_leaves_to_a_person(run: Run, teller: Teller, page: Path) -> None:
    page.write_text(
        "<img src=red.png><img src=gone.png><img src=http://127.0.0.1/a.png><img src=bad.png>"
    )
    teller.changes = {"text": "", "refusal": "unsupported"}
    done = run("alt-text", "--in-place", page)
    assert done.code == 3
    assert [line.partition("留给人写：")[2] for line in done.lines[:-1]] == [
        "这张图片无法可靠地描述：没有一句话得到图片足够的支持。",
        "这个地址没有图片。",
        "不允许读取这个地址（网址要加 --allow-urls）。",
        "图片文件不完整，请重新导出或重新下载后再试。",
    ]


def test_alt_text_json(run: Run, teller: Teller, page: Path) -> None:
    done = run("alt-text", "--in-place", "--json", "--decorative", "--max-chars", 10, page)
    report = json.loads(done.out)
    assert report["had_text"] == 1
    assert report["images"][0] == {
        "line": 2, "source": "red.png", "outcome": "added", "alt": "A red", "support": 0.934, "calibrated": True, "reason": None,
    }  # fmt: skip
    assert [one["outcome"] for one in report["images"]] == ["added"] * 3


def test_unchecked_alt_texts_are_told(
    run: Run, teller: Teller, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "judge", SimpleNamespace(can_refuse=False), raising=False)
    assert "没有核对过" in run("alt-text", "--in-place", page).err


def test_alt_text_root(run: Run, teller: Teller, page: Path, place: Path) -> None:
    (place / "sub").mkdir()
    inner = place / "sub" / "page.html"
    inner.write_text("<img src=/red.png><img src=../blue.jpg>")
    assert run("alt-text", inner).code == 3
    assert run("alt-text", inner, "--root", place).code == 0


def test_alt_text_of_a_url(
    run: Run, teller: Teller, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    served = {
        "http://example.com/p/": PAGE.encode(),
        "http://example.com/p/red.png": (place / "red.png").read_bytes(),
    }

    def fetch(url: str) -> bytes:
        if url not in served:
            raise CaptionError(url, code="url_failed")
        return served[url]

    # the old address leads to the new one: pictures lie beside that
    def fetch_page(url: str) -> tuple[bytes, str]:
        there = url.replace("/old", "/p/")
        return fetch(there), there

    monkeypatch.setattr("caption.image.fetch.fetch_image", fetch)
    monkeypatch.setattr("caption.image.fetch.fetch_page", fetch_page)
    done = run("alt-text", "--allow-urls", "http://example.com/old")
    assert done.code == 3
    assert '<img alt="A red picture." src=red.png>' in done.out
    assert "<img src='blue.jpg'>" in done.out
    done = run("alt-text", "--allow-urls", "http://example.com/gone")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)


def test_alt_text_where_nothing_can_be_written(
    run: Run, teller: Teller, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, code, told in (
        (PermissionError(13, "denied"), 2, "不能写入"),
        (CaptionError("full", code="disk_full"), 4, "磁盘空间不足"),
    ):

        def write(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("caption.jobs.files.write_file", write)
        done = run("alt-text", "--in-place", page)
        assert (done.code, done.out) == (code, "")
        assert told in done.err
        assert page.read_bytes() == PAGE.encode()


# ------------------------------------------------------------------------------------------------- models


def test_models_list(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLIP_MODELS", str(place / "models"))
    shutil.copytree(DEMO_FOLDER, place / "models" / DEMO_FOLDER.name)
    damaged = place / "models" / "blip-image-captioning-base"
    damaged.mkdir()
    (damaged / "config.json").write_text("{}")
    assert run("models").out == run("models", "list").out
    rows = {row["name"]: row for row in map(json.loads, run("models", "list", "--json").lines)}
    assert [rows[name]["state"] for name in ("demo", "base", "large", "itm-large")] == [
        "present",
        "damaged",
        "missing",
        "missing",
    ]
    assert rows["demo"]["folder"] == str(place / "models" / DEMO_FOLDER.name)
    listed = dict(line.split()[:2] for line in run("models").lines)
    assert (listed["demo"], listed["base"], listed["large"]) == ("可用", "已损坏", "没有下载")


def test_models_verify(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLIP_MODELS", str(place / "models"))
    done = run("models", "verify")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    copied = place / "models" / DEMO_FOLDER.name
    shutil.copytree(DEMO_FOLDER, copied)
    done = run("models", "verify")
    assert done.code == 0
    assert re.fullmatch(r"demo +完好  model.safetensors 的 SHA-256：[0-9a-f]{64}\n", done.out)
    assert run("models", "verify", "demo", "itm-base").code == 3
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    done = run("models", "verify", "demo")
    assert done.code == 3
    assert "模型文件已损坏" in done.out


def test_models_download_hands_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def main(argv: list[str]) -> int:
        asked.append(argv)
        return 6

    monkeypatch.setattr("caption.cli.download.main", main)
    assert run("models", "download").code == 6
    run("models", "download", "itm-base", "--source", "huggingface", "--dest", "there", "--dry-run")
    assert asked == [
        ["large", "--source", "auto"],
        ["itm-base", "--source", "huggingface", "--dest", "there", "--dry-run"],
    ]


# ------------------------------------------------------------------------------------------------- pipes and signals

# A program of its own whose model needs no torch; it tells when it is at work.
PROGRAM = """
import sys, time
sys.path.insert(0, {tests!r})
from tests.cli.test_cli import Teller
from caption.cli.main import main as cli
from caption import loading

class Slow(Teller):
    def stream(self, *args, **more):
        print("working", file=sys.stderr, flush=True)
        time.sleep({seconds})
        yield from super().stream(*args, **more)

loading.load_describer = lambda *args, **more: Slow()
sys.exit(cli(sys.argv[1:]))
"""


def program(seconds: float, *argv: object, **more: Any) -> subprocess.Popen[bytes]:
    return in_a_process("-c", PROGRAM.format(tests=str(ROOT), seconds=seconds), *argv, **more)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("line", ["describe red.png", "batch . --output out.jsonl"])
def test_a_signal_ends_it_in_one_line(place: Path, line: str) -> None:
    process = program(600, *line.split())
    assert process.stderr is not None
    for told in process.stderr:
        if b"working" in told:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines()[-1].startswith("已停止")
    assert b"Traceback" not in err


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_reader_that_has_gone_away(place: Path) -> None:
    process = in_a_process("-m", "caption", "models", "list")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert (process.wait(300), err) == (141, b"")
    process.stderr.close()


def test_a_reader_that_goes_away_ends_the_work(place: Path) -> None:
    process = program(0, "describe", *["red.png"] * 500)
    assert process.stdout is not None
    assert process.stdout.readline() == b"red.png: A red picture.\n"
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read().decode()
    assert process.wait(300) == 141
    assert err.count("编码图片") < 500
    assert "Traceback" not in err
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_closed_and_full_streams(place: Path) -> None:
    command = f"{sys.executable} -m caption models list"
    for redirection, code, told in (
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">/dev/full", 4, "磁盘空间不足，请清理磁盘后再试。\n"),
    ):
        done = subprocess.run(
            ["bash", "-c", f"{command} {redirection}"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=300,
        )
        assert (done.returncode, done.stderr.decode()) == (code, told)
