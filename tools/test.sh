#!/usr/bin/env bash
# Installs what is missing, builds and tests: tools/test.sh [preset] [arguments for ctest]. The preset is release unless
# named (debug, asan, tsan, clang). Jobs: JOBS=2 tools/test.sh; all cores by default.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=release
if [ $# -gt 0 ] && [[ "$1" != -* ]]; then
  preset=$1
  shift
fi
jobs=${JOBS:-$(nproc)}

groups=(build test browser)
[ "$preset" = clang ] && groups+=(lint)
tools/setup.sh "${groups[@]}" || [ $? -eq 3 ]
cmake --preset "$preset" -D UNROLL_WERROR=ON -D UNROLL_TESTS=ON
cmake --build --preset "$preset" --parallel "$jobs"
ctest --preset "$preset" --parallel "$jobs" "$@"
