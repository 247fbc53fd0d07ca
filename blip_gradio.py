"""The web app, `python blip_gradio.py`: a page that describes pictures, and an HTTP API.

See `caption.web.program`; `build_demo` is the page without its server.
"""

import sys

from caption.web import build_demo, main

__all__ = ["build_demo", "main"]

if __name__ == "__main__":
    sys.exit(main())
