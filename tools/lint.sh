#!/usr/bin/env bash
# Layout and static checks: tools/lint.sh [--fix] [--tidy-only | --format-only] [files]. By default the layout of all
# files and the static checks of all but the tests, whose turn would take longer than everybody else's together.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=${JOBS:-$(nproc)}

fix=false format=true tidy=true
files=()
for argument in "$@"; do
  case "$argument" in
    --fix) fix=true ;;
    --format-only) tidy=false ;;
    --tidy-only) format=false ;;
    -h | --help) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
    -*) echo "lint.sh: unknown argument '$argument'" >&2; exit 2 ;;
    *) files+=("$argument") ;;
  esac
done
tools/setup.sh build test lint || [ $? -eq 3 ]

skipped='^$'
if [ ${#files[@]} -eq 0 ]; then
  skipped='^tests/'
  mapfile -t files < <(find unroll.h autograd nn optim tools examples tests \
    \( -name '*.h' -o -name '*.cpp' \) -type f | sort)
fi

status=0
if $format; then
  echo "clang-format: ${#files[@]} files"
  mode=(--dry-run -Werror)
  $fix && mode=(-i)
  printf '%s\0' "${files[@]}" | xargs -0 -n 16 -P "$jobs" clang-format-14 "${mode[@]}" || status=1
fi

if $tidy; then
  # Configuring writes the compile commands; nothing is built. Headers are checked where sources include them.
  cmake --preset clang -B build/lint -D UNROLL_TESTS=ON -D CMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
  mapfile -t sources < <(printf '%s\n' "${files[@]}" | grep '\.cpp$' | grep -v "$skipped" | while read -r file; do
    if grep -qF "\"file\": \"$PWD/$file\"" build/lint/compile_commands.json; then echo "$file"; fi
  done)
  echo "clang-tidy: ${#sources[@]} sources"
  mode=(--quiet)
  $fix && mode+=(--fix)
  $fix && jobs=1
  if ! printf '%s\0' "${sources[@]}" |
    xargs -0 -r -n 1 -P "$jobs" clang-tidy-14 -p build/lint "${mode[@]}" 2>/dev/null; then
    status=1
  fi
fi
[ $status -eq 0 ] && echo "lint: clean" || echo "lint: see above; tools/lint.sh --fix mends layout and some checks" >&2
exit $status
