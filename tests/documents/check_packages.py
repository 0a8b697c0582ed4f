"""Compares the packages that tools/setup.sh installs with those docs/dependencies.md explains.

In the document a package stands in the first column of a table, in backquotes, under a heading that
names its group.
"""

import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
listing = subprocess.run(
    [root / "tools/setup.sh", "--list"], check=True, capture_output=True, text=True
).stdout
installed = {tuple(line.split()[:2]) for line in listing.splitlines()}

explained = set()
group = ""
for line in (root / "docs/dependencies.md").read_text().splitlines():
    if heading := re.match(r"#+ .*`(\w+)`", line):
        group = heading[1]
    elif row := re.match(r"\| *`([^`]+)` *\|", line):
        explained.add((group, row[1]))

for group, package in sorted(installed - explained):
    print(f"docs/dependencies.md does not explain {package} in group {group}")
for group, package in sorted(explained - installed):
    print(f"tools/setup.sh does not install {package} in group {group}")
if not installed:
    print("tools/setup.sh --list names no package")
sys.exit(0 if installed and installed == explained else 1)
