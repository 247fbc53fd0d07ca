"""The page. The only package that imports gradio."""

from caption.server.environment import prepare_environment

prepare_environment()  # proxies and telemetry, before gradio reads the environment

from caption.web.app import build_demo  # noqa: E402
from caption.web.program import main  # noqa: E402

__all__ = ["build_demo", "main"]
