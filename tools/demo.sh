#!/usr/bin/env bash
# Trains the character model for about a minute and leaves in out/ what came of it. Arguments go on to the program:
#   tools/demo.sh                        on the project's own source text
#   tools/demo.sh --text corpus.txt      on a text of yours; --help shows the rest
set -euo pipefail
here=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
jobs=${JOBS:-$(nproc)}

tools/setup.sh build test demo || [ $? -eq 3 ]
cmake --preset release >/dev/null
cmake --build --preset release --parallel "$jobs" --target example_char_lm

# Paths among the arguments are the caller's, so the program runs in the caller's folder.
out=$root/out
arguments=(--out "$out" "$@")
for ((i = 1; i <= $#; ++i)); do
  next=$((i + 1))
  case "${!i}" in
    --out) out=${!next:-$out}; arguments=("$@") ;;
    --out=*) out=${!i#--out=}; arguments=("$@") ;;
    -h | --help) arguments=(--help) ;;
  esac
done
cd "$here"
mkdir -p "$out"
"$root/build/release/examples/char_lm" "${arguments[@]}"
[ "${arguments[0]}" != --help ] || exit 0

if command -v gnuplot >/dev/null; then
  gnuplot -e "source='$out/loss.csv'; picture='$out/loss.svg'" "$root/tools/plot_loss.gp"
fi

describe() {
  case "$1" in
    *.safetensors) echo "the trained model; char_lm --checkpoint reads it again" ;;
    sample.txt) echo "text that the model wrote" ;;
    loss.csv) echo "the loss, step by step" ;;
    loss.svg) echo "the same as a picture" ;;
    graph.dot) echo "the graph that one training step recorded, for Graphviz" ;;
    graph.json) echo "the same for programs" ;;
    graph.svg) echo "the same as a picture" ;;
    graph.html) echo "the same as a page to zoom, search and click in" ;;
  esac
}
echo
echo "In $out:"
for file in "$out"/*; do
  name=$(basename "$file")
  printf '  %-22s %8s  %s\n' "$name" "$(du -h "$file" | cut -f1)" "$(describe "$name")"
done
