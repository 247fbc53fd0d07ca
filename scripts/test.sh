#!/usr/bin/env bash
# Lint, types and all tests, in the environment of run.sh. Arguments go to pytest, e.g. scripts/test.sh tests/language/test_text.py -k cjk
set -u
. "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
make_venv
install_requirements requirements.txt tests/requirements.txt

# The browser tests drive Debian's chromium and show Chinese; elsewhere, or without the right to install, they are skipped with a
# reason (with CI set they fail).
if ! command -v chromium >/dev/null && command -v apt-get >/dev/null; then
    as_root=()
    if [ "$(id -u)" != 0 ]; then as_root=(sudo -n); fi
    echo "正在安装 chromium（浏览器测试需要）……"
    { "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq chromium fonts-noto-cjk fonts-noto-color-emoji; } >/dev/null ||
        echo "无法安装 chromium：浏览器测试将被跳过。" >&2
fi

set -e
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
bash scripts/lint_static.sh
# -m "": the slow and the browser's too, which a plain pytest leaves out
exec .venv/bin/python -m pytest -m "" "$@"
