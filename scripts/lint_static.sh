#!/usr/bin/env bash
# Lint the page's style and scripts with biome (settings in biome.json). Where npm can't get it, node checks the syntax.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
static=caption/web/static
biome=(npx --yes @biomejs/biome@2.3.8)

# A machine without a network shall not wait for npm's retries.
export npm_config_fetch_retries=0 npm_config_fetch_timeout=15000

if command -v npx >/dev/null && "${biome[@]}" --version >/dev/null 2>&1; then
    exec "${biome[@]}" check --error-on-warnings "$static"
fi
if command -v node >/dev/null; then
    echo "无法取得 biome：只检查脚本的语法。" >&2
    for script in "$static"/*.js; do node --check "$script"; done
    exit
fi
echo "没有 npm 和 node：页面的样式和脚本没有检查。" >&2
