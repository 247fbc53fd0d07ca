"""The outermost ASGI layer: what a stranger on the network may not do."""

from caption.server.guard.middleware import GuardMiddleware, guard_lifespan

__all__ = ["GuardMiddleware", "guard_lifespan"]
