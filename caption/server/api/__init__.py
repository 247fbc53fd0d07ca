"""The HTTP API: what a user of the page can do, a script can do; on the page's port, behind its
guard and its gate.

An endpoint takes its place at the gate before it reads the body, so that a full gate refuses at
once, and raises `CaptionError`; the options of a description are checked by `DescribeOptions`
alone. The schema at /openapi.json is made from the same classes.
"""

from caption.server.api.app import beside, build_api

__all__ = ["beside", "build_api"]
