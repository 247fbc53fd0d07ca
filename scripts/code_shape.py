"""The shape of the package's code in figures: how large its files and functions are, and how dense.

    python -m scripts.code_shape [FOLDER ...]     # default: caption

Prints a line per figure, then every function over the limits. Cognitive complexity is complexipy's (Campbell 2018);
a function's lines are those of its body and head, without its decorators. A "dict trick" is a literal table that is
asked where it stands.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_COGNITIVE = 15
MAX_FUNCTION_LINES = 60
LONG_LINE = 100
VAGUE_NAMES = frozenset(("one", "found", "said", "told", "here", "there", "most"))


@dataclass(frozen=True)
class Function:
    """A function or method: where it is, and its size."""

    place: str
    lines: int
    cognitive: int


@dataclass(frozen=True)
class Module:
    """A file and what was counted in it."""

    path: Path
    lines: list[str]
    functions: list[Function]
    nested_ternaries: int
    dict_tricks: int
    vague_names: int
    arguments: tuple[int, int]  # annotated, all
    returns: tuple[int, int]


def read_module(path: Path) -> Module:
    """Parse a file and count. Raises `SyntaxError`."""
    from complexipy import file_complexity

    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    cognitive = {
        function.line_start: function.complexity
        for function in file_complexity(str(path)).functions
    }
    nodes = list(ast.walk(tree))
    definitions = [
        node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    functions = [
        Function(f"{path}:{node.lineno} {node.name}", _length(node), _cognitive(node, cognitive))
        for node in definitions
    ]
    parameters = [argument for node in definitions for argument in _parameters(node)]
    return Module(
        path=path,
        lines=source.splitlines(),
        functions=functions,
        nested_ternaries=sum(_is_nested_ternary(node) for node in nodes),
        dict_tricks=sum(_is_dict_trick(node) for node in nodes),
        vague_names=sum(_is_vague(node) for node in nodes),
        arguments=(
            sum(argument.annotation is not None for argument in parameters),
            len(parameters),
        ),
        returns=(sum(node.returns is not None for node in definitions), len(definitions)),
    )


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _cognitive(node: ast.FunctionDef | ast.AsyncFunctionDef, by_line: dict[int, int]) -> int:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return by_line.get(node.lineno, by_line.get(first, 0))


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.arg]:
    """All but `self` and `cls`."""
    arguments = node.args
    everything = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ]
    return (
        argument
        for argument in everything
        if argument is not None and argument.arg not in ("self", "cls")
    )


def _is_nested_ternary(node: ast.AST) -> bool:
    return isinstance(node, ast.IfExp) and any(
        isinstance(part, ast.IfExp) for part in (node.body, node.orelse, node.test)
    )


def _is_dict_trick(node: ast.AST) -> bool:
    """`{...}[key]` or `{...}.get(key)`."""
    if isinstance(node, ast.Subscript | ast.Attribute):
        return isinstance(node.value, ast.Dict)
    return False


def _is_vague(node: ast.AST) -> bool:
    """Whether a name is given here that says nothing of its value."""
    if isinstance(node, ast.Name):
        return isinstance(node.ctx, ast.Store) and node.id in VAGUE_NAMES
    return isinstance(node, ast.arg) and node.arg in VAGUE_NAMES


def _share(counts: list[tuple[int, int]]) -> str:
    part, whole = sum(count for count, _ in counts), sum(count for _, count in counts)
    return f"{100 * part / max(1, whole):.0f} %"


def report(modules: list[Module]) -> Iterator[str]:
    """The figures, a line each, and every function over the limits."""
    functions = [function for module in modules for function in module.functions]
    lengths = sorted(function.lines for function in functions)
    lines = [line for module in modules for line in module.lines]
    largest = max(modules, key=lambda module: len(module.lines))
    complex_functions = [function for function in functions if function.cognitive > MAX_COGNITIVE]
    long_lines = sum(len(line) > LONG_LINE for line in lines)
    skips = sum(bool(re.search(r"# fmt: (?:skip|off)", line)) for line in lines)
    highest = max(function.cognitive for function in functions)
    p90 = lengths[len(lengths) * 9 // 10]
    arguments = _share([module.arguments for module in modules])
    returns = _share([module.returns for module in modules])
    figures = {
        "modules": f"{len(modules)}",
        "largest module": f"{len(largest.lines)} lines ({largest.path})",
        "function lines": f"median {statistics.median(lengths):.0f}, p90 {p90}, longest {lengths[-1]}",
        f"cognitive > {MAX_COGNITIVE}": f"{len(complex_functions)} functions, highest {highest}",
        "fmt: skip": f"{skips}",
        "dict tricks": f"{sum(module.dict_tricks for module in modules)}",
        "nested ternaries": f"{sum(module.nested_ternaries for module in modules)}",
        "vague names": f"{sum(module.vague_names for module in modules)}",
        f"lines over {LONG_LINE}": f"{long_lines} of {len(lines)} ({100 * long_lines / len(lines):.1f} %)",
        "annotated": f"arguments {arguments}, returns {returns}",
    }
    for name, figure in figures.items():
        yield f"{name:18} {figure}"
    for function in sorted(functions, key=lambda function: (-function.cognitive, -function.lines)):
        if function.cognitive > MAX_COGNITIVE or function.lines > MAX_FUNCTION_LINES:
            yield f"  {function.place}: cognitive {function.cognitive}, {function.lines} lines"


def main() -> None:
    parser = argparse.ArgumentParser(description="The shape of the code in figures.")
    parser.add_argument(
        "folders", nargs="*", type=Path, default=[Path("caption")], metavar="FOLDER"
    )
    paths = sorted(path for folder in parser.parse_args().folders for path in folder.rglob("*.py"))
    for line in report([read_module(path) for path in paths]):
        print(line)


if __name__ == "__main__":
    main()
