#!/usr/bin/env bash
# Installs from Debian's archive what is missing: tools/setup.sh [build] [test] [lint] [demo] [browser]; without a name
# build, test and demo.
# --list prints the table below. docs/dependencies.md says more about each choice.
set -euo pipefail

# group, package, reason: the one list of packages.
table() {
  cat <<'END'
build cmake               configures the build (3.25 or newer)
build ninja-build         runs it
build g++                 compiles C++20 (gcc 12 or newer)
build libeigen3-dev       f64 products and decompositions
build libtbb-dev          all parallelism
build libdnnl-dev         f32 products
build nlohmann-json3-dev  headers of safetensors files, graph dumps
build libcli11-dev        flags of the programs and examples
build libgraphviz-dev     unroll::graph, pictures of recorded graphs
test  libboost-test-dev   the test framework
test  python3             compares programs quoted in the documents with those in the tree
lint  clang-14            the second compiler
lint  clang-format-14     layout of the source
lint  clang-tidy-14       static checks
demo  gnuplot-nox         draws the loss curve
browser chromium          opens the pages that graphs are written as, in tests
END
}

usage() {
  sed -n '2,4s/^# //p' "$0"
}

groups=()
for argument in "$@"; do
  case "$argument" in
    build | test | lint | demo | browser) groups+=("$argument") ;;
    --list) table; exit 0 ;;
    -h | --help) usage; exit 0 ;;
    *) echo "setup.sh: unknown argument '$argument'; needed build, test, lint, demo, browser or --list" >&2; exit 2 ;;
  esac
done
[ ${#groups[@]} -gt 0 ] || groups=(build test demo)

wanted() {
  local group
  for group in "${groups[@]}"; do
    [ "$group" = "$1" ] && return 0
  done
  return 1
}

# Without dpkg there is no telling what is there. Status 3 says so; the build names what it cannot find.
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "setup.sh: no apt-get here, so nothing was installed. What unroll needs, by its Debian names:" >&2
  table | while read -r group package reason; do
    if wanted "$group"; then printf '  %-20s %s\n' "$package" "$reason" >&2; fi
  done
  echo "Where they are there by this system's own means, the build goes on." >&2
  exit 3
fi

present=" $(dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' 2>/dev/null |
  awk '$1 == "installed" { sub(/:.*/, "", $2); printf "%s ", $2 }') "
missing=()
while read -r group package reason; do
  wanted "$group" || continue
  case "$present" in *" $package "*) continue ;; esac
  [ ${#missing[@]} -gt 0 ] || echo "setup.sh installs:"
  printf '  %-20s %s\n' "$package" "$reason"
  missing+=("$package")
done < <(table)
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup.sh: neither root nor sudo; run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" \
    >"$log" 2>&1; then
    cat "$log" >&2
    echo "setup.sh: apt-get $1 failed; its output is above" >&2
    exit 1
  fi
}
apt update
apt install -y --no-install-recommends "${missing[@]}"
echo "setup.sh: ${#missing[@]} packages installed"
