"""The web app: `python blip_gradio.py`. A picture uploaded or pasted in the browser becomes a long
description.
"""

import sys

from caption.web import build_demo, main

__all__ = ["build_demo", "main"]

if __name__ == "__main__":
    sys.exit(main())
