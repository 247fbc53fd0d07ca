#!/usr/bin/env bash
# Prepares everything and starts the app at http://0.0.0.0:29999. Options go to blip_gradio.py (see --help there).
set -u
. "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
make_venv
install_requirements requirements.txt
exec .venv/bin/python blip_gradio.py "$@"
