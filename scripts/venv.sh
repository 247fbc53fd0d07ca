# Sourced by run.sh and test.sh: stands in the repository's root, makes .venv if there is none, and installs what is asked.
# Messages are for users, so they are Chinese.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2

fail() {
    echo "$1" >&2
    exit 2
}

make_venv() {
    if [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null; then return; fi
    local python="${PYTHON:-python3}"
    command -v "$python" >/dev/null || fail "没有找到 Python：请先安装 Python 3.11 或更新的版本（也可以用环境变量 PYTHON 指定）。"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 版本太旧（$("$python" -V 2>&1)）：需要 3.11 或更新的版本。"
    "$python" -c 'import venv, ensurepip' 2>/dev/null || fail "缺少 venv 模块：请先安装（Debian/Ubuntu：apt install python3-venv）。"
    "$python" -m venv .venv || fail "无法在 $PWD/.venv 创建虚拟环境：请检查磁盘空间和写权限。"
}

# install_requirements FILE…: pip runs only when the files have changed since it last succeeded.
install_requirements() {
    local names="${*//\//-}" wanted file arguments=()
    local stamp=".venv/installed-${names// /-}"
    wanted="$(cat "$@")"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then return; fi
    for file in "$@"; do arguments+=(-r "$file"); done
    echo "正在安装依赖（首次约需几分钟）……"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "${arguments[@]}" || fail "依赖安装失败：请检查网络或 pip 镜像设置后重试。"
    printf '%s' "$wanted" >"$stamp"
}
