"""Reads the SVG files of a folder as XML and looks for the texts that expected.json wants in them:
by file and by the id of a box, lines in their order."""

import json
import pathlib
import sys
import xml.etree.ElementTree

SVG = "{http://www.w3.org/2000/svg}"
folder = pathlib.Path(sys.argv[1])
wrong = 0


def plain(text):
    return "".join(text.split())  # Graphviz draws spaces as unbreakable ones


for name, boxes in json.loads((folder / "expected.json").read_text()).items():
    root = xml.etree.ElementTree.parse(folder / name).getroot()
    drawn = {}
    for group in root.iter(SVG + "g"):
        if group.get("class") == "node":
            drawn[group.find(SVG + "title").text] = plain(
                "".join(text.text or "" for text in group.iter(SVG + "text"))
            )
    for box, lines in boxes.items():
        for line in lines:
            if plain(line) not in drawn.get(box, ""):
                print(f"{name}: box {box} says {drawn.get(box)!r}; needed {line!r}")
                wrong += 1
    if set(drawn) != set(boxes):
        print(f"{name}: boxes {sorted(drawn)}; needed {sorted(boxes)}")
        wrong += 1
sys.exit(1 if wrong else 0)
