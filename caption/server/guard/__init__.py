"""The outermost ASGI layer: what a stranger on the network may not do.

The app listens on every interface, and Gradio 6.31 by itself would fetch URLs and open files a
client names, let every web site's script call it, take bodies of any size and put exception texts
into answers. `guard_lifespan` closes that:

    prepare_environment()  # before gradio is imported
    demo.launch(app_kwargs={"lifespan": guard_lifespan(allowed_hosts=...)}, ...)

A plain `app_kwargs={"middleware": ...}` would sit inside Gradio's CORS middleware, which answers
preflights and adds its headers outside of it.
"""

from caption.server.guard.middleware import GuardMiddleware, guard_lifespan

__all__ = ["GuardMiddleware", "guard_lifespan"]
