#!/usr/bin/env python3
"""Puts small mistakes into the recurrent cells, one at a time, and sees whether the tests notice.

    tools/mutate_cells.py                         all of them, in build/mutate
    tools/mutate_cells.py --only lstm             those whose file or description says so
    tools/mutate_cells.py --work FOLDER --jobs 2  elsewhere, two compilers at a time
    tools/mutate_cells.py --list                  what there is; nothing is built

An entry of MUTATIONS is a file, a text that stands in it exactly once, what replaces it, and what mistake that is; a new cell
is a new block of entries. Each is built and run in two stages: first a few quick suites, then every test of nn. Results stand
in FOLDER/results.json, so that a run that was cut short goes on where it was (--again starts over). Exit status 1 where a
mistake survives, does not build or no longer applies."""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIMEOUT = 300  # s for one suite; a mistake that makes it endless is noticed

# Tests of the quick stage and what they share. They notice nearly everything and build in seconds.
QUICK_TESTS = ["test_recurrent_torch.cpp", "test_recurrent_lengths.cpp"]
QUICK_SUPPORT = ["fixture_file", "leaves", "numeric", "recurrent_fixture"]
# Headers of templates that tests alone instantiate: the quick stage compiles its tests anew, one by one, and nothing else.
TEMPLATES = ["nn/recurrent.h", "nn/cell.h"]
# Tests of nn that know nothing of cells.
FULL_WITHOUT = ["test_text.cpp", "test_safetensors.cpp", "test_safetensors_damage.cpp", "test_save.cpp", "test_sample.cpp"]

MUTATIONS = []


def mistakes(file, *entries):
    MUTATIONS.extend((file, old, new, what) for old, new, what in entries)


mistakes(
    "nn/lstm.cpp",
    ("sigmoid(f) * c0", "sigmoid(i) * c0", "the state is kept by the input gate"),
    ("sigmoid(f) * c0", "tanh(f) * c0", "wrong nonlinearity of the forget gate"),
    ("sigmoid(f) * c0", "(1.0 - sigmoid(f)) * c0", "forget gate turned round"),
    ("sigmoid(i) * tanh(g)", "sigmoid(o) * tanh(g)", "what comes in is gated by the output gate"),
    ("sigmoid(i) * tanh(g)", "sigmoid(i) * sigmoid(g)", "wrong nonlinearity of the candidate"),
    ("sigmoid(i) * tanh(g)", "sigmoid(i) * g", "no nonlinearity of the candidate"),
    ("+ sigmoid(i)", "- sigmoid(i)", "sign of what comes in"),
    ("sigmoid(o) * tanh(c1)", "sigmoid(o) * c1", "no tanh of the state"),
    ("sigmoid(o) * tanh(c1)", "sigmoid(f) * tanh(c1)", "output gated by the forget gate"),
    ("sigmoid(o) * tanh(c1)", "sigmoid(o) * tanh(c0)", "output of the old state"),
    ("tanh(c1), c1}", "tanh(c1), c0}", "old state handed on"),
    ("[i, f, g, o]", "[f, i, g, o]", "gates i and f swapped"),
    ("[i, f, g, o]", "[i, f, o, g]", "gates g and o swapped"),
    ("[i, f, g, o]", "[o, f, g, i]", "gates i and o swapped"),
    ("[i, f, g, o]", "[i, g, f, o]", "gates f and g swapped"),
    ("affine(s.h, Wh, gates)", "affine(s.c, Wh, gates)", "recurrent product of the wrong state"),
    ("affine(s.h, Wh, gates)", "gates", "recurrent product dropped"),
    ("affine(s.h, Wh, gates)", "affine(-s.h, Wh, gates)", "sign of the recurrent product"),
    ("affine(s.h, Wh, gates)", "affine(s.h, detach(Wh), gates)", "no gradient of Wh"),
    ("affine(s.h, Wh, gates)", "affine(detach(s.h), Wh, gates)", "no gradient through h"),
    ("affine(s.h, Wh, gates)", "affine(s.h, Wh, detach(gates))", "no gradient of the input's part"),
    ("i, f, g, o, s.c)", "i, f, g, o, s.h)", "wrong state in the step"),
    ("i, f, g, o, s.c)", "i, f, g, o, detach(s.c))", "no gradient through c"),
    ("{.h = h, .c = c}", "{.h = c, .c = h}", "states swapped"),
    ("{.h = h, .c = c}", "{.h = h, .c = s.c}", "c not carried"),
    ("{.h = h, .c = c}", "{.h = s.h, .c = c}", "h not carried"),
    ("x, Wx, b, b_recurrent)", "x, Wx, b, b)", "first bias twice"),
    ("x, Wx, b, b_recurrent)", "x, Wx, b, std::nullopt)", "second bias dropped"),
    ("x, Wx, b, b_recurrent)", "x, Wx, std::nullopt, b_recurrent)", "both biases dropped"),
    ("{.at = o.hidden,", "{.at = 0,", "forget bias at the input gate"),
    (".value = o.forget_bias", ".value = -o.forget_bias", "sign of the forget bias"),
    ("init::xavier({.blocks = 4})", "init::xavier()", "input weights drawn as one matrix"),
    ("init::orthogonal({.blocks = 4})", "init::orthogonal()", "recurrent weights drawn as one matrix"),
    (".c = zero}", ".c = zero + 1.0}", "c does not begin at 0"),
    ("{.h = zero,", "{.h = zero + 1.0,", "h does not begin at 0"),
)

mistakes(
    "nn/gru.cpp",
    ("sigmoid(pr + qr) * qn", "sigmoid(pz + qz) * qn", "update gate in place of reset gate"),
    ("sigmoid(pr + qr) * qn", "qn", "reset gate ignored"),
    ("sigmoid(pr + qr) * qn", "tanh(pr + qr) * qn", "wrong nonlinearity of the reset gate"),
    ("tanh(pn + sigmoid(pr + qr) * qn)", "tanh(sigmoid(pr + qr) * (pn + qn))", "reset gate over both parts"),
    ("tanh(pn + sigmoid(pr + qr) * qn)", "tanh(pn - sigmoid(pr + qr) * qn)", "sign under the reset gate"),
    ("tanh(pn + sigmoid(pr + qr) * qn)", "sigmoid(pn + sigmoid(pr + qr) * qn)", "wrong nonlinearity of the candidate"),
    ("sigmoid(pz + qz) * (h - n)", "sigmoid(pr + qr) * (h - n)", "reset gate in place of update gate"),
    ("sigmoid(pz + qz) * (h - n)", "sigmoid(pz + qz) * (n - h)", "sign of the update"),
    ("n + sigmoid(pz + qz) * (h - n)", "h + sigmoid(pz + qz) * (n - h)", "z and 1 - z swapped"),
    ("n + sigmoid(pz + qz) * (h - n)", "n + sigmoid(pz + qz) * h", "n not weighted by 1 - z"),
    ("pr + qr", "pr - qr", "sign of the recurrent part of r"),
    ("pz + qz", "pz - qz", "sign of the recurrent part of z"),
    ("[pr, pz, pn]", "[pz, pr, pn]", "input parts of r and z swapped"),
    ("[qr, qz, qn]", "[qz, qr, qn]", "recurrent parts of r and z swapped"),
    ("[pr, pz, pn]", "[pr, pn, pz]", "input parts of z and n swapped"),
    ("[qr, qz, qn]", "[qr, qn, qz]", "recurrent parts of z and n swapped"),
    ("b ? affine(x, Wx, *b) : matmul(x, Wx)", "matmul(x, Wx)", "bias dropped"),
    ("affine(s.h, Wh, *b_recurrent)", "matmul(s.h, Wh)", "recurrent bias dropped"),
    ("affine(s.h, Wh, *b_recurrent)", "affine(s.h, Wh, *b)", "first bias in place of the second"),
    (": matmul(s.h, Wh);", ": matmul(detach(s.h), Wh);", "no gradient through the product"),
    (": matmul(s.h, Wh);", ": matmul(s.h, detach(Wh));", "no gradient of Wh"),
    ("qr, qz, qn, s.h)", "qr, qz, qn, detach(s.h))", "no gradient through the kept state"),
    ("qr, qz, qn, s.h)", "qr, qz, qn, zeros_like(s.h))", "kept state forgotten"),
    ("init::xavier({.blocks = 3})", "init::xavier()", "input weights drawn as one matrix"),
    ("init::orthogonal({.blocks = 3})", "init::orthogonal()", "recurrent weights drawn as one matrix"),
    ("{.h = zeros({batch, options.hidden}, dtype())}", "{.h = ones({batch, options.hidden}, dtype())}", "h does not begin at 0"),
)

mistakes(
    "nn/rnn.cpp",
    ("tanh(sum) : relu(sum)", "relu(sum) : tanh(sum)", "nonlinearities swapped"),
    ("relu(sum)", "leaky_relu(sum)", "relu with a slope below 0"),
    ("affine(s.h, Wh, projected)", "affine(s.h, transpose(Wh, 0, 1), projected)", "Wh transposed"),
    ("affine(s.h, Wh, projected)", "projected", "recurrent product dropped"),
    ("affine(s.h, Wh, projected)", "affine(detach(s.h), Wh, projected)", "no gradient through time"),
    ("affine(s.h, Wh, projected)", "affine(s.h, detach(Wh), projected)", "no gradient of Wh"),
    ("x, Wx, b, b_recurrent)", "x, Wx, b, std::nullopt)", "second bias dropped"),
    ("x, Wx, b, b_recurrent)", "detach(x), Wx, b, b_recurrent)", "no gradient of the input"),
    ("{.h = zeros({batch, options.hidden}, dtype())}", "{.h = ones({batch, options.hidden}, dtype())}", "h does not begin at 0"),
)

mistakes(
    "nn/biases.h",
    ("*b + *b_recurrent", "*b - *b_recurrent", "sign of the second bias"),
    ("*b + *b_recurrent", "*b + *b", "first bias twice"),
    ("*b + *b_recurrent", "*b + detach(*b_recurrent)", "no gradient of the second bias"),
    ("return affine(x, Wx, *b);", "return matmul(x, Wx);", "bias dropped where it is the only one"),
    ("if (count >= 1)", "if (count > 1)", "no bias where one was asked for"),
    ("if (count == 2)", "if (count >= 1)", "two biases where one was asked for"),
    ("o.biases > 2", "o.biases > 3", "three biases let through"),
    ("o.biases < 0", "o.biases < -1", "a negative number of biases let through"),
    ('"b", Shape{size}, first)', '"b", Shape{size}, init::zeros())', "first value of the bias forgotten"),
    ("Shape{size}, init::zeros())", "Shape{size}, first)", "forget bias in both biases"),
)

mistakes(
    "nn/recurrent_support.cpp",
    ("where(mask > 0.5, x, 0.0)", "mask * x", "padding multiplied away, so that NaN stays"),
    ("where(mask > 0.5, then, otherwise)", "where(mask > 0.5, otherwise, then)", "ended rows chosen the wrong way round"),
    ("where(mask > 0.5, then, otherwise)", "mask * then + (1.0 - mask) * otherwise", "ended rows mixed, so that NaN stays"),
    ("b.add(1, valid_or_zero(b.saved(0), g))", "b.add(1, g)", "gradient of padding let through"),
    ("b.add(1, valid_or_zero(b.saved(0), g))", "b.add(1, pointwise([](auto m, auto d) { return m * d; }, b.saved(0), g))", "gradient of padding multiplied away"),
    ("lengths[static_cast<std::size_t>(b)] ? T(1) : T(0)", "lengths[static_cast<std::size_t>(b)] ? T(0) : T(1)", "mask turned round"),
    ("t < lengths[", "t <= lengths[", "a row is valid for one step too many"),
    ("t < lengths[", "t + 1 < lengths[", "a row is valid for one step too few"),
    ("select(mask_, 0, step)", "select(mask_, 0, 0)", "mask of the first step"),
    ("steps : *std::min_element", "steps : *std::max_element", "shortest row taken for the longest"),
    ("steps : *std::max_element", "steps : *std::min_element", "longest row taken for the shortest"),
    ("return given() ? valid_or_zero(beside(mask_, x.rank()), x) : x;", "return x;", "input not cleared at padding"),
)

mistakes(
    "nn/cell.h",
    ("select(cell.project(reshape(x, x.shape().inserted(0, 1))), 0, 0)", "x", "a single step without projection"),
    ("x = zeros({batch, cell.options.hidden}, cell.dtype())", "x = ones({batch, cell.options.hidden}, cell.dtype())", "a state does not begin at 0"),
    ("if constexpr (requires { cell.initial_state(batch); })", "if constexpr (false)", "a cell's own initial state ignored"),
)

mistakes(
    "nn/recurrent_support.h",
    ("!given() || step < shortest_", "!given() || step <= shortest_", "a row is kept one step too long"),
    ("given() && step >= longest_", "given() && step >= longest_ - 1", "the last step of the longest row skipped"),
)

mistakes(
    "nn/recurrent.h",
    ("reversed ? steps - 1 - i : i", "i", "second direction runs forward"),
    ("reversed ? steps - 1 - i : i", "steps - 1 - i", "first direction runs backward"),
    ("state.backward[i], lengths, true)", "state.backward[i], lengths, false)", "second direction runs forward"),
    ("run(*layer.backward, y,", "run(layer.forward, y,", "second direction with the weights of the first"),
    ("y, state.backward[i], lengths, true)", "y, state.forward[i], lengths, true)", "second direction from the first's state"),
    ("run(*layer.backward, y,", "run(*layer.backward, forward.outputs,", "second direction reads the first's outputs"),
    ("concat({forward.outputs, backward.outputs}, -1)", "concat({backward.outputs, forward.outputs}, -1)", "directions swapped"),
    ("if (i > 0 && is_training())", "if (is_training())", "dropout before the first layer"),
    ("if (i > 0 && is_training())", "if (i > 1 && is_training())", "no dropout behind the first layer"),
    ("dropout(y, options.dropout)", "dropout(y, 1 - options.dropout)", "rate turned round"),
    ("dropout(y, options.dropout)", "dropout(detach(y), options.dropout)", "no gradient through dropout"),
    ("Tensor y = lengths.zero_padded(x);", "Tensor y = x;", "input not cleared at padding"),
    ("if (lengths.all_valid(step)) return next;", "return next;", "state not kept at padding"),
    ("lengths.choose(step, x, *old.at(i))", "lengths.choose(step, x)", "state cleared at padding"),
    ("lengths.choose(step, x, *old.at(i))", "lengths.choose(step, x, *old.at(0))", "all of a state kept from its first part"),
    ("out = lengths.choose(t, output(cell, state));", "out = output(cell, state);", "outputs not cleared at padding"),
    ("lengths.choose(t, output(cell, state))", "lengths.choose(i, output(cell, state))", "outputs cleared at the wrong step"),
    ("lengths.none_valid(t)", "lengths.none_valid(i)", "wrong steps skipped"),
    ("detail::keep_ended(lengths, t,", "detail::keep_ended(lengths, i,", "state kept at the wrong steps"),
    ("select(projected, 0, t)", "select(projected, 0, i)", "second direction reads forward"),
    ("outputs[static_cast<std::size_t>(t)]", "outputs[static_cast<std::size_t>(i)]", "outputs of the second direction not turned back"),
    ("state, begun), state);", "state, begun), initial);", "ended rows go back to the initial state"),
    ("select(projected, 0, t), state, begun)", "select(projected, 0, t), initial, begun)", "every step from the initial state"),
    ("    state.forward[i] = std::move(forward.state);\n", "", "final state not handed out"),
    ("      state.backward[i] = std::move(backward.state);\n", "", "final state of the second direction not handed out"),
    ("run(layer.forward, y, state.forward[i],", "run(layer.forward, y, state.forward[0],", "every layer from the first's state"),
    ("options.hidden * (options.bidirectional ? 2 : 1)", "options.hidden", "upper layers of half the width"),
    ("o.input = layer == 0 ? options.input : below;", "o.input = options.input;", "upper layers of the input's width"),
    ("const Layer& layer = *layers_[i];", "const Layer& layer = *layers_[0];", "every layer with the weights of the first"),
    ("auto& states = d == 0 ? state.forward : state.backward;", "auto& states = state.forward;", "one direction's initial states for both"),
    ("initial_state<C>(d == 0 ? layer->forward : *layer->backward, batch)", "initial_state<C>(layer->forward, batch)", "second direction begins as the first"),
    ("  State state = given;\n", "  State state{};\n", "initial state ignored"),
    ("const TimeStep at(t);", "const TimeStep at(i);", "errors name the wrong step"),
    ("const TimeStep first(0);", "const TimeStep first(1);", "the projection is named by the wrong step"),
    ("out = nothing;", "static_cast<void>(nothing);", "no output where no row is valid"),
)


def applied(text, old, new):
    return text.replace(old, new) if text.count(old) == 1 else None


class Stage:
    """A copy of the tree with some of its tests, and a build folder beside it."""

    def __init__(self, folder, name, jobs):
        self.name, self.jobs = name, jobs
        self.src, self.build = folder / name / "src", folder / name / "build"
        self.changed = None
        self.ready = False

    def set_up(self):
        self.ready = True
        skip = shutil.ignore_patterns("build*", ".git", "__pycache__", "results")
        fresh = self.src.with_name("fresh")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(ROOT, fresh, ignore=skip, symlinks=True)
        tests = fresh / "tests"
        for file in (tests / "nn").glob("test_*.cpp"):
            if self.name == "quick" and file.name not in QUICK_TESTS or file.name in FULL_WITHOUT:
                file.unlink()
        if self.name == "quick":
            for file in (tests / "support").iterdir():
                if file.stem not in QUICK_SUPPORT and file.suffix == ".cpp":
                    file.unlink()
        self.refresh(fresh)
        shutil.rmtree(fresh)
        subprocess.run(["cmake", "-S", self.src, "-B", self.build, "-G", "Ninja", "-D", "CMAKE_BUILD_TYPE=Release",
                        "-D", "UNROLL_TESTS=ON"], check=True, stdout=subprocess.DEVNULL)
        ok, text = self.make()
        if not ok:
            sys.exit(f"the {self.name} stage does not build without a mistake:\n{text}")
        failed = self.first_failure()
        for test in QUICK_TESTS if self.name == "quick" else []:
            ok, text = self.make_with_templates(test)
            failed = failed or (None if ok else text) or self.first_failure()
        if failed:
            sys.exit(f"the {self.name} stage fails without a mistake: {failed}")

    def refresh(self, fresh):
        """Only what differs is written, so that little is built again."""
        names = {p.relative_to(fresh) for p in fresh.rglob("*") if p.is_file()}
        for name in names:
            to, text = self.src / name, (fresh / name).read_bytes()
            if not to.is_file() or to.read_bytes() != text:
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(fresh / name, to)
                os.utime(to)
        for p in list(self.src.rglob("*")):
            if p.is_file() and p.relative_to(self.src) not in names:
                p.unlink()

    def put(self, file, text):
        if self.changed and self.changed != file:
            (self.src / self.changed).write_text((ROOT / self.changed).read_text())
        (self.src / file).write_text(text)
        self.changed = file

    def restore(self):
        if self.changed:
            (self.src / self.changed).write_text((ROOT / self.changed).read_text())
            self.changed = None

    def make(self):
        done = subprocess.run(["cmake", "--build", self.build, "-j", str(self.jobs), "--target", "test_nn"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode == 0, done.stdout[-3000:]

    def make_with_templates(self, test):
        """One test compiled against a changed header, without the precompiled one, and linked to what there is."""
        commands = subprocess.run(["ninja", "-C", self.build, "-t", "commands", "test_nn"], check=True,
                                  stdout=subprocess.PIPE, text=True).stdout.splitlines()
        compile_it = next(c for c in commands if c.endswith(f"/tests/nn/{test}"))
        compile_it = re.sub(r"-Winvalid-pch|-include \S+cmake_pch\.hxx", "", compile_it).replace(" -O1 ", " -O0 ")
        link = next(c for c in commands if "-o tests/test_nn " in c)
        for other in QUICK_TESTS:  # they hold the templates as they were
            if other != test:
                link = re.sub(rf"\S*/{other}\.o", "", link)
        for command in (compile_it, link):
            done = subprocess.run(command, shell=True, cwd=self.build, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                return False, done.stdout[-3000:]
        return True, ""

    def program(self):
        return self.build / "tests" / "test_nn"

    def list_suites(self):
        done = subprocess.run([self.program(), "--list_content"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        names = [line.rstrip("*").strip() for line in done.stdout.splitlines() if line and not line[0].isspace()]
        first = [n for n in ("recurrent_torch", "recurrent_lengths", "historic_mistakes", "cells") if n in names]
        return first + [n for n in names if n not in first]

    def first_failure(self):
        for suite in self.list_suites():
            try:
                done = subprocess.run([self.program(), f"--run_test={suite}", "--color_output=no"], timeout=TIMEOUT,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                      cwd=self.build)
            except subprocess.TimeoutExpired:
                return f"{suite}: does not end"
            if done.returncode != 0:
                where = [line for line in done.stdout.splitlines() if "error: in" in line or "fatal error" in line]
                name = where[0].split('"')[1] if where and '"' in where[0] else suite
                return name
        return None


def judge(stage, file, text):
    """How a mistake fares in one stage."""
    if not stage.ready:
        stage.set_up()
    stage.put(file, text)
    one_by_one = stage.name == "quick" and file in TEMPLATES
    for step in [lambda t=t: stage.make_with_templates(t) for t in QUICK_TESTS] if one_by_one else [stage.make]:
        ok, output = step()
        if not ok:
            return {"result": "does not build", "output": output}
        failure = stage.first_failure()
        if failure:
            return {"result": "killed", "by": failure, "stage": stage.name}
    return {"result": "survived"}


def table(results):
    files = sorted({r["file"] for r in results})
    lines = ["| file | mistakes | noticed | survived | other |", "| --- | --- | --- | --- | --- |"]
    for file in files + ["all"]:
        mine = [r for r in results if file in ("all", r["file"])]
        count = [sum(r["result"] == kind for r in mine) for kind in ("killed", "survived")]
        lines.append(f"| {file} | {len(mine)} | {count[0]} | {count[1]} | {len(mine) - sum(count)} |")
    return "\n".join(lines)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "mutate")
    arguments.add_argument("--jobs", type=int, default=1)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--again", action="store_true")
    arguments.add_argument("--list", action="store_true")
    options = arguments.parse_args()

    wanted = [m for m in MUTATIONS if options.only in f"{m[0]} {m[3]}"]
    keys = [f"{file}: {old} -> {new}" for file, old, new, _ in MUTATIONS]
    if len(set(keys)) != len(keys):
        sys.exit("an entry stands twice in the list")
    stale = [m for m in wanted if applied((ROOT / m[0]).read_text(), m[1], m[2]) is None]
    for file, old, _, what in stale:
        print(f"no longer applies exactly once: {file}: {what}: {old!r}", flush=True)
    if options.list:
        for file, old, new, what in wanted:
            print(f"{file}: {what}: {old!r} -> {new!r}")
        print(len(wanted), "mistakes")
        return 1 if stale else 0

    options.work.mkdir(parents=True, exist_ok=True)
    store = options.work.resolve() / "results.json"
    done = {} if options.again or not store.exists() else {r["key"]: r for r in json.loads(store.read_text())}
    stages = [Stage(options.work.resolve(), name, options.jobs) for name in ("quick", "full")]
    for stage in stages:  # the slow one sees what the quick one has missed
        for file, old, new, what in wanted:
            key = f"{file}: {old} -> {new}"
            before = done.get(key, {})
            if before.get("result") == "killed" or (stage.name == "quick" and before.get("missed_by_quick")):
                continue
            record = {"key": key, "file": file, "what": what}
            text = applied((ROOT / file).read_text(), old, new)
            if text is None:
                record["result"] = "does not apply"
            else:
                started = time.monotonic()
                record |= judge(stage, file, text)
                record["seconds"] = round(time.monotonic() - started, 1)
                record["missed_by_quick"] = record["result"] == "survived"
            done[key] = record
            by = f"  [{record['by']}]" if "by" in record else f"  [{stage.name}]"
            print(f"{record['result']:15} {file}: {what}{by}", flush=True)
            store.write_text(json.dumps(list(done.values()), indent=1, ensure_ascii=False))
        if stage.ready:
            stage.restore()

    results = [done[key] for key in (f"{m[0]}: {m[1]} -> {m[2]}" for m in wanted) if key in done]
    print("\n" + table(results))
    survivors = [r for r in results if r["result"] != "killed"]
    for r in survivors:
        print(f"{r['result']}: {r['key']} ({r['what']})")
    return 1 if survivors or stale else 0


if __name__ == "__main__":
    sys.exit(main())
