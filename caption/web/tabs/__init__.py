"""The page's tabs: every module of this package is one, and is found without a list.

A tab module has an `ORDER`, a `title()` and a `build(service, shared)` that makes its widgets and
events. Classes mark the parts that the page's script acts on (see static/page.js): `tab-picture`,
`tab-run`, `tab-result`; and those that its style knows (see static/page.css): `tab-progress`,
`tab-evidence`, `tab-dropped`.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Protocol, cast

import gradio as gr

from caption.server.service import Service
from caption.web.shared import Shared


class TabModule(Protocol):
    """What a module of this package has."""

    ORDER: int  # tabs stand from the lowest to the highest

    def title(self) -> str: ...

    def build(self, service: Service, shared: Shared) -> object: ...


def tab_modules() -> list[TabModule]:
    modules = [
        cast(TabModule, importlib.import_module(f"{__name__}.{module.name}"))
        for module in pkgutil.iter_modules(__path__)
    ]
    return sorted(modules, key=lambda module: module.ORDER)


def build_tabs(service: Service, shared: Shared) -> None:
    """Add the tabs; a single one stands on the page without a tab bar."""
    modules = tab_modules()
    if len(modules) == 1:
        modules[0].build(service, shared)
        return
    with gr.Tabs():
        for module in modules:
            with gr.Tab(module.title()):
                module.build(service, shared)
