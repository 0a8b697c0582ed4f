#!/usr/bin/env python3
"""Checks that programs quoted in Markdown equal the programs in the tree.

    <!-- file: examples/first_gradient.cpp -->         the whole file
    <!-- file: examples/custom_cell.cpp#cell -->       the lines between // [cell] and // [/cell]

in the line before a ```cpp block say what the block quotes. A block that holds a main function and no such
line is refused. Without arguments README.md, CONTRIBUTING.md and docs/ are read; --fix writes the quotes anew.
"""

import argparse
import pathlib
import re
import sys
import textwrap

MARK = re.compile(r"<!-- file: ([^ #]+)(?:#([\w-]+))? -->\s*$")


def quoted(root: pathlib.Path, path: str, region: str | None) -> list[str]:
    """The lines that a mark stands for; raises ValueError with the reason where there are none."""
    file = root / path
    if not file.is_file():
        raise ValueError(f"there is no file {path}")
    lines = file.read_text().splitlines()
    if region is None:
        return lines
    marks = [line.strip() for line in lines]
    if f"// [{region}]" not in marks or f"// [/{region}]" not in marks:
        raise ValueError(f"{path} has no region {region}")
    begin, end = marks.index(f"// [{region}]"), marks.index(f"// [/{region}]")
    inside = [line for line in lines[begin + 1 : end] if not re.match(r"\s*// \[/?[\w-]+\]$", line)]
    return textwrap.dedent("\n".join(inside)).splitlines()


def check(root: pathlib.Path, document: pathlib.Path, fix: bool) -> tuple[int, list[str]]:
    """Returns how many quotes were compared, and what is wrong with them."""
    lines = document.read_text().splitlines()
    result, wrong, compared = [], [], 0
    mark, row = None, 0
    while row < len(lines):
        line = lines[row]
        result.append(line)
        if not line.startswith("```cpp"):
            if line.strip():
                mark = MARK.match(line)
                if not mark and line.startswith("<!-- file:"):
                    wrong.append(f"{document}:{row + 1}: a mark that cannot be read: {line}")
            row += 1
            continue
        place = f"{document}:{row + 1}"
        end = next((i for i in range(row + 1, len(lines)) if lines[i].startswith("```")), None)
        if end is None:
            wrong.append(f"{place}: a block without an end")
            break
        block = lines[row + 1 : end]
        if mark:
            compared += 1
            try:
                source = quoted(root, mark[1], mark[2])
            except ValueError as reason:
                wrong.append(f"{place}: {reason}")
            else:
                if block != source and not fix:
                    first = next(
                        (i for i, (a, b) in enumerate(zip(block, source)) if a != b),
                        min(len(block), len(source)),
                    )
                    wrong.append(f"{place}: line {first + 1} of the block differs from {mark[1]}")
                block = source
        elif any(re.match(r"int main\(", text) for text in block):
            wrong.append(f"{place}: a program without <!-- file: ... --> in the line before")
        result += [*block, lines[end]]
        mark, row = None, end + 1
    if fix and not wrong and result != lines:
        document.write_text("\n".join(result) + "\n")
        print(f"{document} written anew")
    return compared, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks programs quoted in Markdown.")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent)
    parser.add_argument("--fix", action="store_true", help="write the quotes anew")
    parser.add_argument("documents", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    documents = options.documents or [
        document
        for document in [
            options.root / "README.md",
            options.root / "CONTRIBUTING.md",
            *sorted((options.root / "docs").rglob("*.md")),
        ]
        if document.is_file()
    ]
    compared, wrong = 0, []
    for document in documents:
        count, found = check(options.root, document, options.fix)
        compared += count
        wrong += found
    print("\n".join([*wrong, f"{compared} quotes in {len(documents)} documents, {len(wrong)} wrong"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
