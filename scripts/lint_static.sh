#!/usr/bin/env bash
# Lint the page's style and scripts with biome (settings in biome.json). Where npm can't get it, node checks the syntax: the system's,
# or the one that Playwright brings. Without either nothing is checked, which with CI set is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
static=caption/web/static
biome=(npx --yes @biomejs/biome@2.3.8)

# A machine without a network shall not wait for npm's retries.
export npm_config_fetch_retries=0 npm_config_fetch_timeout=15000

if command -v npx >/dev/null && "${biome[@]}" --version >/dev/null 2>&1; then
    exec "${biome[@]}" check --error-on-warnings "$static"
fi
node=$(command -v node || find .venv/lib -path '*/playwright/driver/node' -print -quit 2>/dev/null || true)
if [ -n "$node" ]; then
    echo "无法取得 biome：只检查脚本的语法。" >&2
    for script in "$static"/*.js; do "$node" --check "$script"; done
    exit
fi
echo "没有 npm 和 node：页面的样式和脚本没有检查。" >&2
[ -z "${CI:-}" ]
