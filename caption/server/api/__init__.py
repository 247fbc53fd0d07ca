"""The HTTP API, on the page's port, behind its guard and its gate."""

from caption.server.api.app import beside, build_api

__all__ = ["beside", "build_api"]
