#!/usr/bin/env bash
# Download BLIP's weights into models/.
# Usage: download_models.sh [large|base|itm-large|itm-base|all] [--source modelscope|huggingface|auto] [--dest DIR] [--dry-run]
# large and base write captions (all: both of them); itm-large and itm-base check them, and come only by name.
# (--help tells the exit codes.) Uses the environment that run.sh makes; makes none itself.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python
[ -x "$python" ] || python=$root/.venv/Scripts/python.exe
[ -x "$python" ] || python=$(command -v python3) || {
  echo "找不到 Python 3：请先安装 Python 3.11 或更新的版本。" >&2
  exit 2
}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "需要 Python 3.11 或更新的版本，$python 太旧。" >&2
  exit 2
fi
if ! "$python" -c 'import sys; from importlib.util import find_spec
sys.exit(not all(map(find_spec, ("modelscope", "huggingface_hub", "filelock"))))'; then
  echo "$python 缺少依赖包。请先运行一次 bash scripts/run.sh，或执行：$python -m pip install modelscope huggingface_hub" >&2
  exit 2
fi
# As `python -m caption.cli.download` in the repository, but a relative --dest means the folder the user stands in.
exec "$python" -c 'import sys; sys.path[0] = sys.argv.pop(1); from caption.cli.download import main; sys.exit(main())' \
  "$root" "$@"
