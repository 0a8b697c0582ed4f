#!/usr/bin/env bash
# Makes the pictures of the README anew from the code as it stands, in docs/pictures/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=${JOBS:-$(nproc)}

tools/setup.sh build test demo || [ $? -eq 3 ]
cmake --preset release >/dev/null
cmake --build --preset release --parallel "$jobs" --target example_graphs example_vanishing_gradients

made=$(mktemp -d)
trap 'rm -r "$made"' EXIT
build/release/examples/graphs --form svg --folder "$made"
build/release/examples/vanishing_gradients --out "$made"

mkdir -p docs/pictures
for picture in model change flow; do
  if [ ! -f "$made/$picture.svg" ]; then
    echo "pictures.sh: $picture.svg was not made; needed libgraphviz-dev and gnuplot-nox" >&2
    exit 1
  fi
  cp "$made/$picture.svg" "docs/pictures/$picture.svg"
done
