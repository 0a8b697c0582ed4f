#!/usr/bin/env python3
"""Puts small mistakes into the recurrent cells, one at a time, and sees whether the tests notice.

    cmake --preset release
    tools/mutate_cells.py                         all of them, with build/release
    tools/mutate_cells.py --only lstm             those whose file or description says so
    tools/mutate_cells.py --build FOLDER --work FOLDER --jobs 2
    tools/mutate_cells.py --list                  what there is; nothing is built

An entry of MUTATIONS is a file, a text that stands in it exactly once, what replaces it, and what mistake that is; a new cell
is a new block of entries. The tree is never written to: a changed header stands in a folder that is searched first, a changed
source is compiled from another place.

test_nn is built first, as it is. Then a changed source is compiled by itself, without optimisation, and linked with all tests as
they were built. A changed header is compiled with one test after the other, the likeliest first, until one fails. Both are first
done without a mistake, and have to pass. Results stand in WORK/results.json, so that a run that was cut short goes on where it
was (--again starts over). Exit status 1 where a mistake survives, does not build or no longer applies."""

import argparse
import concurrent.futures
import json
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIMEOUT = 300  # s for one suite; a mistake that makes it endless is noticed

# Tests that know of cells. Suites are named after them.
TESTS = ["recurrent_torch", "cell_forms", "recurrent_lengths", "recurrent_options", "cells", "historic_mistakes", "errors",
         "recurrent_windows", "properties", "usage_custom_cell", "wrappers", "wrappers_without_rates", "wrapped_products",
         "recurrent_second_order", "recurrent_determinism"]
OTHER_SUITES = ["initialisation"]  # for changed sources
# Where a header's mistakes are noticed first, by what stands in "file: description".
FIRST = {
    "skip: gradient of padding": ["recurrent_options"],
    "padding": ["recurrent_lengths"],
    " join: ": ["cell_forms"],
    " skip: ": ["cell_forms", "recurrent_options"],
    " learned ": ["cell_forms"],
    "nn/learned_state.h": ["recurrent_options", "cell_forms"],
    "nn/zoneout.h": ["cell_forms", "wrappers"],
    "nn/variational_dropout.h": ["wrappers", "wrapped_products"],
    "nn/weight_drop.h": ["wrappers"],
    "nn/layer_normed.h": ["cell_forms", "wrapped_products", "wrappers"],
    "nn/stack.h": ["cell_forms", "wrapped_products"],
    "nn/cell.h": ["usage_custom_cell", "cell_forms"],
}
# Layers that the library instantiates: here a test does, with its own copy of a changed template.
INSTANTIATED = ["nn/lstm.h", "nn/gru.h", "nn/rnn.h"]
# Precompiled for all: what no mistake is in.
UNCHANGED = ["boost/test/unit_test.hpp", "unroll/autograd/autograd.h", "unroll/optim/optim.h", "unroll/nn/linear.h",
             "unroll/nn/normalization.h"]

MUTATIONS = []


def mistakes(file, *entries):
    MUTATIONS.extend((file, old, new, what) for old, new, what in entries)


mistakes(
    "nn/lstm.cpp",
    ("sigmoid(f) * c0", "sigmoid(i) * c0", "the state is kept by the input gate"),
    ("sigmoid(f) * c0", "(1.0 - sigmoid(f)) * c0", "forget gate turned round"),
    ("sigmoid(i) * tanh(g)", "sigmoid(o) * tanh(g)", "what comes in is gated by the output gate"),
    ("sigmoid(i) * tanh(g)", "sigmoid(i) * g", "no nonlinearity of the candidate"),
    ("+ sigmoid(i)", "- sigmoid(i)", "sign of what comes in"),
    ("sigmoid(o) * tanh(c1)", "sigmoid(o) * c1", "no tanh of the state"),
    ("sigmoid(o) * tanh(c1)", "sigmoid(o) * tanh(c0)", "output of the old state"),
    ("tanh(c1), c1}", "tanh(c1), c0}", "old state handed on"),
    ("[i, f, g, o]", "[f, i, g, o]", "gates i and f swapped"),
    ("[i, f, g, o]", "[i, f, o, g]", "gates g and o swapped"),
    ("w.product(s.h, gates)", "w.product(s.c, gates)", "recurrent product of the wrong state"),
    ("w.product(s.h, gates)", "w.product(detach(s.h), gates)", "no gradient through h"),
    ("i, f, g, o, s.c)", "i, f, g, o, s.h)", "wrong state in the step"),
    ("return projected(h, c);", "return projected(c, h);", "states swapped"),
    ("return projected(h, c);", "return projected(h, s.c);", "c not carried"),
    ("gates.forget * o.hidden", "0", "forget bias at the input gate"),
    (".value = o.forget_bias", ".value = -o.forget_bias", "sign of the forget bias"),
    (".c = zero}", ".c = zero + 1.0}", "c does not begin at 0"),
    ("zeros({batch, options.projection}, dtype())", "ones({batch, options.projection}, dtype())", "a projected h does not begin at 0"),
    ("matmul(h, *Wp)", "matmul(h, transpose(reshape(*Wp, {options.projection, options.hidden}), 0, 1))", "projection read by columns"),
    ("matmul(h, *Wp)", "matmul(h, detach(*Wp))", "no gradient of the projection"),
    ("matmul(h, *Wp)", "-matmul(h, *Wp)", "sign of the projection"),
    ("options.projection}, options.init)", "options.projection}, init::zeros())", "projection begins at 0"),
)


mistakes(
    "nn/lstm_forms.cpp",
    ("f + pf * c0", "f + pi * c0", "forget gate with the input gate's peephole"),
    ("i + pi * c0", "i - pi * c0", "sign of the input gate's peephole"),
    ("o + po * c1", "o + po * c0", "output gate sees the old memory"),
    ("sigmoid(o + po * c1) * tanh(c1)", "sigmoid(o) * tanh(c1)", "output gate does not see the memory"),
    ("s.c, pi, pf, po)", "s.c, pf, pi, po)", "peepholes of i and f swapped"),
    ("sigmoid(f) * (c0 - candidate)", "sigmoid(f) * c0", "coupled: what comes in is not weighted by 1 - f"),
    ("candidate + sigmoid(f) * (c0 - candidate)", "c0 + sigmoid(f) * (candidate - c0)", "coupled: f and 1 - f swapped"),
    ("[f, g, o]", "[g, f, o]", "coupled: gates f and g swapped"),
    ("{.count = 3, .forget = 0}", "{.count = 3, .forget = 1}", "coupled: forget bias at the candidate"),
    ("coupled_step, f, g, o, s.c)", "coupled_step, f, g, o, s.h)", "coupled: wrong state in the step"),
    ("norm_memory(c)), c)", "c), c)", "memory not normalised"),
    ("norm_memory(c)), c)", "norm_memory(c)), norm_memory(c))", "normalised memory carried on"),
    ("norm_memory(c)), c)", "norm_memory(s.c)), c)", "old memory normalised"),
    (".norm_input = &norm_input, .norm_recurrent = &norm_recurrent}", ".norm_input = &norm_recurrent, .norm_recurrent = &norm_input}", "norms of both sums swapped"),
    (".norm_recurrent = &norm_recurrent}", ".norm_recurrent = nullptr}", "recurrent sum not normalised"),
    ("memory_step, i, f, g, s.c)", "memory_step, f, i, g, s.c)", "layer norm: gates i and f swapped"),
)


mistakes(
    "nn/recurrent.h",
    ("reversed ? steps - 1 - i : i", "steps - 1 - i", "first direction runs backward"),
    ("run(*layer.backward, y,", "run(layer.forward, y,", "second direction with the weights of the first"),
    ("y, state.backward[i], lengths, true)", "y, state.forward[i], lengths, true)", "second direction from the first's state"),
    ("run(*layer.backward, y,", "run(*layer.backward, forward.outputs,", "second direction reads the first's outputs"),
    ("y = options.join == Join::concat ?", "y = options.join != Join::concat ?", "join: concat and sum swapped"),
    ("forward.outputs + backward.outputs", "forward.outputs - backward.outputs", "join: sign of the second direction"),
    ("options.bidirectional && options.join == Join::concat ? 2 : 1", "options.bidirectional ? 2 : 1", "join: upper layers of twice the width"),
    ("if (i > 0 && options.skip != Skip::none)", "if (i > 1 && options.skip != Skip::none)", "skip: none around the second layer"),
    ("return x + y;", "return x - y;", "skip: sign of the residual"),
    ("return x + y;", "return detach(x) + y;", "skip: no gradient around the layer"),
    ("(*layer.highway)(x)", "(*layer.highway)(y)", "skip: highway's gate sees the output"),
    ("detail::highway((*layer.highway)(x), x, y)", "detail::highway((*layer.highway)(x), y, x)", "skip: highway's input and output swapped"),
    ("return lengths.zero_padded(detail::highway((*layer.highway)(x), x, y));", "return detail::highway((*layer.highway)(x), x, y);", "skip: gradient of padding reaches a highway"),
    ("full(highway->b->shape(), -1)", "full(highway->b->shape(), 1)", "skip: sign of the highway's first bias"),
    ("const Tensor below = y;\n    if (i > 0 && is_training()) y = dropout(y, options.dropout);", "if (i > 0 && is_training()) y = dropout(y, options.dropout);\n    const Tensor below = y;", "skip: what goes around a layer is dropped as well"),
    ("if (learned) learned->put_into(states.back(), batch);", "static_cast<void>(learned);", "learned initial states ignored"),
    ("const auto& learned = d == 0 ? layer->forward_initial : layer->backward_initial;", "const auto& learned = layer->forward_initial;", "both directions from the first's learned state"),
    ("if (i > 0 && is_training())", "if (is_training())", "dropout before the first layer"),
    ("if (i > 0 && is_training())", "if (i > 1 && is_training())", "no dropout behind the first layer"),
    ("dropout(y, options.dropout)", "dropout(y, 1 - options.dropout)", "rate turned round"),
    ("dropout(y, options.dropout)", "dropout(detach(y), options.dropout)", "no gradient through dropout"),
    ("Tensor y = lengths.zero_padded(x);", "Tensor y = x;", "input not cleared at padding"),
    ("if (lengths.all_valid(step)) return next;", "return next;", "state not kept at padding"),
    ("lengths.choose(step, x, *old.at(i))", "lengths.choose(step, x)", "state cleared at padding"),
    ("out = lengths.choose(t, nn::output(cell, state));", "out = nn::output(cell, state);", "outputs not cleared at padding"),
    ("lengths.none_valid(t)", "lengths.none_valid(i)", "wrong steps skipped"),
    ("select(projected, 0, t)", "select(projected, 0, i)", "second direction reads forward"),
    ("outputs[static_cast<std::size_t>(t)]", "outputs[static_cast<std::size_t>(i)]", "outputs of the second direction not turned back"),
    ("      state.backward[i] = std::move(backward.state);\n", "", "final state of the second direction not handed out"),
    ("const Layer& layer = *layers_[i];", "const Layer& layer = *layers_[0];", "every layer with the weights of the first"),
    ("auto& states = d == 0 ? state.forward : state.backward;", "auto& states = state.forward;", "one direction's initial states for both"),
    ("  State state = given;\n", "  State state{};\n", "initial state ignored"),
    ("const TimeStep at(t);", "const TimeStep at(i);", "errors name the wrong step"),
    ("const TimeStep first(0);", "const TimeStep first(1);", "the projection is named by the wrong step"),
    ("needed.row = number < shapes.size() ? &shapes[number] : nullptr;", "needed.row = nullptr;", "shapes of initial states not checked"),
)


mistakes(
    "nn/zoneout.h",
    ("detail::is_h(next, &t) ? options.h_rate : options.c_rate", "detail::is_h(next, &t) ? options.c_rate : options.h_rate", "rates swapped"),
    ("before.at(i++)", "before.at(0)", "all of a state kept from its first part"),
    ("t.dtype()), t, kept)", "t.dtype()), kept, t)", "kept and changed swapped"),
    ("detail::between(t, kept, rate)", "detail::between(t, detach(kept), rate)", "no gradient through what is kept"),
    ("options.h_rate == 0 && options.c_rate == 0", "options.h_rate == 0 || options.c_rate == 0", "nothing kept where one rate is 0"),
    ("this->is_training() ?", "true ?", "drawn in evaluation as well"),
)


mistakes(
    "nn/learned_state.h",
    ("reshape(x, shape).to(dtype)", "zeros(shape, dtype)", "learning does not begin at the cell's own start"),
    ("rows_[number++]", "rows_[0]", "first tensor's row for all"),
    ("x = expand(reshape(*row,", "x = expand(reshape(detach(*row),", "no gradient of a learned start"),
    ("if (is_floating(x.dtype()))", "if (number == 0)", "only the first tensor is learned"),
)


mistakes(
    "nn/layer_normed.h",
    ("return norm_input(projected);", "return projected;", "input of a cell of one's own not normalised"),
    ("seen.h = norm_recurrent[0](s.h);", "seen.h = s.h;", "state of a cell of one's own not normalised"),
    ("w.norm_input = &norm_input, w", "w", "input's sum not normalised"),
    ("&norm_recurrent[next++]", "&norm_recurrent[0 * next++]", "first product's norm for all"),
)


mistakes(
    "nn/stack.h",
    ("input = nn::output(cell, std::get<I>(next));", "input = nn::output(cell, std::get<I>(s));", "the cell above reads the step before"),
    ("std::get<I>(next) = detail::step_from_input(cell, input, std::get<I>(s), std::get<I>(w));", "std::get<I>(next) = nn::step(cell, input, std::get<I>(s), std::get<I>(w));", "the cell above without its projection"),
    ("input = nn::output_size(plain(cell));", "input = options.hidden;", "the cell above is as wide as the state, not the output"),
    ("std::get<last>(cells_)), std::get<last>(s))", "std::get<0>(cells_)), std::get<0>(s))", "output of the lowest cell"),
)


mistakes(
    "nn/variational_dropout.h",
    ("    if (!this->is_training()) return begun;\n", "", "masks in evaluation as well"),
    ("w.input_mask.defined() ? x * w.input_mask : x", "x", "input not masked"),
    ("((others.h_mask = first.h_mask), ...);", "((others.h_mask = others.h_mask), ...);", "only the first product is masked"),
    ("first.h_mask.defined() ? first.h_mask * mask : mask", "mask", "mask of a wrapper within forgotten"),
    ("seen.h = s.h * w.state_mask;", "seen.h = s.h;", "state of a cell of one's own not masked"),
    ("options.input_rate, this->dtype())", "options.state_rate, this->dtype())", "input masked at the state's rate"),
    ("dropout_mask({batch, options.input}", "dropout_mask({1, options.input}", "one mask of the input for all rows"),
)


mistakes(
    "nn/gated_cell.cpp",
    ("*b + *b_recurrent", "*b + *b", "first bias twice"),
    ("*b + *b_recurrent", "*b + detach(*b_recurrent)", "no gradient of the second bias"),
    ("b_recurrent ? *b + *b_recurrent : detail::or_undefined(b)", "detail::or_undefined(b)", "second bias dropped"),
    ("bias.defined() ? affine(x, Wx, bias) : matmul(x, Wx)", "matmul(x, Wx)", "bias dropped"),
    ("bias.defined() ? affine(x, Wx, bias)", "bias.defined() ? affine(detach(x), Wx, bias)", "no gradient of the input"),
    ("return bias.defined() ? y + bias : y;", "return y;", "bias dropped beside a norm"),
    ("(*w.norm_input)(matmul(x, Wx))", "matmul((*w.norm_input)(x), Wx)", "input normalised before its product"),
    ("if (sizes.biases >= 1)", "if (sizes.biases > 1)", "no bias where one was asked for"),
    ("if (sizes.biases == 2)", "if (sizes.biases >= 1)", "two biases where one was asked for"),
    ("s.biases > 2", "s.biases > 3", "three biases let through"),
    ("s.recurrent < 0", "s.recurrent < -1", "a negative projection let through"),
    ('"b", shape, first.bias)', '"b", shape, init::zeros())', "first value of the bias forgotten"),
    ('"b_recurrent", shape, init::zeros())', '"b_recurrent", shape, first.bias)', "forget bias in both biases"),
    ("init::per_block(sizes.gates, first.input)", "first.input", "input weights drawn as one matrix"),
    ("init::per_block(sizes.gates, first.recurrent)", "first.recurrent", "recurrent weights drawn as one matrix"),
    ("init::per_block(sizes.gates, first.recurrent)", "init::per_block(sizes.gates, first.input)", "recurrent weights drawn as those of the input"),
    ("RecurrentWeights{.Wh = others}, RecurrentWeights{.Wh = last}", "RecurrentWeights{.Wh = last}, RecurrentWeights{.Wh = others}", "both parts of Wh swapped"),
    ("RecurrentWeights{.Wh = last}", "RecurrentWeights{.Wh = detach(last)}", "no gradient of the candidate's part of Wh"),
)


mistakes(
    "nn/recurrent_weights.cpp",
    ("matmul(h_mask.defined() ? h * h_mask : h, Wh)", "matmul(h, Wh)", "mask of h forgotten beside a norm"),
    ("return added.defined() ? y + added : y;", "return y;", "the input's part dropped beside a norm"),
    ("(*norm_recurrent)(matmul(h_mask.defined() ? h * h_mask : h, Wh))", "matmul((*norm_recurrent)(h_mask.defined() ? h * h_mask : h), Wh)", "h normalised before its product"),
    (".product(h * h_mask, added)", ".product(h, added)", "mask of h forgotten"),
    (".product(h * h_mask, added)", ".product(h * h_mask, {})", "the input's part dropped beside a mask"),
    ("affine(h, Wh, added) : matmul(h, Wh)", "affine(h, detach(Wh), added) : matmul(h, detach(Wh))", "no gradient of Wh"),
    ("affine(h, Wh, added) : matmul(h, Wh)", "affine(h, Wh, detach(added)) : matmul(h, Wh)", "no gradient of the input's part"),
)


mistakes(
    "nn/rnn.cpp",
    ("tanh(sum) : relu(sum)", "relu(sum) : tanh(sum)", "nonlinearities swapped"),
    ("relu(sum)", "leaky_relu(sum)", "relu with a slope below 0"),
    ("w.product(s.h, projected)", "RecurrentWeights{.Wh = transpose(w.Wh, 0, 1)}.product(s.h, projected)", "Wh transposed"),
    ("w.product(s.h, projected)", "w.product(detach(s.h), projected)", "no gradient through time"),
    ("{.h = zeros({batch, options.hidden}, dtype())}", "{.h = ones({batch, options.hidden}, dtype())}", "h does not begin at 0"),
)


mistakes(
    "nn/weight_drop.h",
    ("if (this->is_training())", "if (true)", "weights dropped in evaluation as well"),
    ("dropout(w.Wh, options.rate)", "dropout(w.Wh, 1 - options.rate)", "rate turned round"),
    ("dropout(w.Wh, options.rate)", "dropout(detach(w.Wh), options.rate)", "no gradient of a dropped weight"),
)


mistakes(
    "nn/recurrent_support.h",
    ("!given() || step < shortest_", "!given() || step <= shortest_", "a row is kept one step too long"),
    ("given() && step >= longest_", "given() && step >= longest_ - 1", "the last step of the longest row skipped"),
    ("x.shape() == row->with(0, batch) && x.dtype() == dtype", "x.dtype() == dtype", "initial states of any size let through"),
    ("return set_biases(o.cell, biases);", "return false;", "biases do not reach a wrapped cell"),
)


mistakes(
    "nn/cell.h",
    ("select(nn::project(cell, reshape(x, x.shape().inserted(0, 1)), begun), 0, 0)", "x", "a single step without projection"),
    ("x = zeros({batch, cell.options.hidden}, cell.dtype())", "x = ones({batch, cell.options.hidden}, cell.dtype())", "a state does not begin at 0"),
    ("if constexpr (requires { cell.initial_state(batch); })", "if constexpr (false)", "a cell's own initial state ignored"),
    ("return cell.output_size();", "return cell.options.hidden;", "a cell's own size of the output ignored"),
)


mistakes(
    "nn/gru.cpp",
    ("sigmoid(pr + qr) * qn", "qn", "reset gate ignored"),
    ("tanh(pn + sigmoid(pr + qr) * qn)", "tanh(sigmoid(pr + qr) * (pn + qn))", "reset gate over both parts"),
    ("n + sigmoid(pz + qz) * (h - n)", "h + sigmoid(pz + qz) * (n - h)", "z and 1 - z swapped"),
    ("[pr, pz, pn]", "[pz, pr, pn]", "input parts of r and z swapped"),
    ("[qr, qz, qn]", "[qz, qr, qn]", "recurrent parts of r and z swapped"),
    ("project_input(x, w, detail::or_undefined(b))", "project_input(x, w, Tensor())", "bias dropped"),
    ("w.product(s.h, detail::or_undefined(b_recurrent));", "w.product(s.h, Tensor());", "recurrent bias dropped"),
    ("w.product(s.h, detail::or_undefined(b_recurrent));", "w.product(s.h, b_recurrent ? Tensor(*b) : Tensor());", "first bias in place of the second"),
    ("w.product(s.h, detail::or_undefined(b_recurrent));", "w.product(detach(s.h), detail::or_undefined(b_recurrent));", "no gradient through the product"),
    ("qr, qz, qn, s.h)", "qr, qz, qn, detach(s.h))", "no gradient through the kept state"),
    ("{.h = zeros({batch, options.hidden}, dtype())}", "{.h = ones({batch, options.hidden}, dtype())}", "h does not begin at 0"),
    ("[r, z]", "[z, r]", "reset first: r and z swapped"),
    ("pointwise(gated, r, s.h)", "s.h", "reset first: reset gate ignored"),
    ("pointwise(gated, r, s.h)", "pointwise(gated, z, s.h)", "reset first: update gate in place of reset gate"),
    ("pointwise(gated, r, s.h)", "pointwise(gated, r, detach(s.h))", "reset first: no gradient through the reset state"),
    ("candidate + sigmoid(z) * (h - candidate)", "h + sigmoid(z) * (candidate - h)", "reset first: z and 1 - z swapped"),
    ("[gate, candidate] = split<2>", "[candidate, gate] = split<2>", "MGU: gate and candidate swapped"),
    ("pointwise(gated, f, s.h)", "s.h", "MGU: gate of the state ignored"),
    ("pointwise(gated, f, s.h)", "pointwise(gated, -f, s.h)", "MGU: 1 - f gates the state"),
    ("h + sigmoid(f) * (tanh(n) - h)", "tanh(n) + sigmoid(f) * (h - tanh(n))", "MGU: f and 1 - f swapped"),
    ("change_by_gate, f, sum, s.h)", "change_by_gate, gate, sum, s.h)", "MGU: the gate without its recurrent part"),
    ("{.kind = name,", "{.kind = kind,", "MGU: errors name a GRU"),
)


mistakes(
    "nn/recurrent_support.cpp",
    ("where(beside(mask_, x.rank()), x, 0.0)", "beside(mask_, x.rank()) * x", "padding multiplied away, so that NaN stays"),
    ("where(mask, then, otherwise)", "where(mask, otherwise, then)", "ended rows chosen the wrong way round"),
    ("where(mask, then, otherwise)", "mask * then + (1.0 - mask) * otherwise", "ended rows mixed, so that NaN stays"),
    ("where(mask, then, 0.0)", "then", "outputs not cleared at padding"),
    ("t < lengths[", "t <= lengths[", "a row is valid for one step too many"),
    ("t < lengths[", "t + 1 < lengths[", "a row is valid for one step too few"),
    ("select(mask_, 0, step)", "select(mask_, 0, 0)", "mask of the first step"),
    ("steps : *std::min_element", "steps : *std::max_element", "shortest row taken for the longest"),
    ("steps : *std::max_element", "steps : *std::min_element", "longest row taken for the shortest"),
    ("return given() ? where(beside(mask_, x.rank()), x, 0.0) : x;", "return x;", "nothing cleared at padding"),
    ("after + rate * (before - after)", "before + rate * (after - before)", "zoneout: rate turned round in evaluation"),
    ("x + sigmoid(gate) * (y - x)", "y + sigmoid(gate) * (x - y)", "highway: t and 1 - t swapped"),
    ("rate >= 0 && rate < 1", "rate >= 0 && rate <= 1", "a rate of 1 let through"),
    ("static_cast<Index>(given) != layers", "static_cast<Index>(given) < layers", "states for too many layers let through"),
    ("of_cell != 0 && of_cell != wanted", "of_cell < 0", "a cell's own size overwritten in silence"),
)


def applied(text, old, new):
    return text.replace(old, new) if text.count(old) == 1 else None


def run(command, cwd=None):
    done = subprocess.run(command, cwd=cwd, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode == 0, done.stdout


class Build:
    """A build of test_nn: how it compiles and links, and what it has made."""

    def __init__(self, folder, work, jobs):
        self.folder, self.work = folder, work
        if not (folder / "build.ninja").exists():
            sys.exit(f"no build by ninja in {folder}; hint: cmake --preset release")
        ok, text = run(["ninja", "-C", folder, "-j", str(jobs), "test_nn"])
        if not ok:
            sys.exit(text)
        ok, text = run(["ninja", "-C", folder, "-t", "commands", "test_nn"])
        lines = text.splitlines()
        compile_it = next(c for c in lines if c.endswith("/tests/nn/test_cells.cpp")).split(" -o ")[0].split(" /usr/bin/c++ ")[-1]
        compile_it = re.sub(r"-Winvalid-pch|-include \S+cmake_pch\.hxx|-W\S+|-O\d|-M[DTF]\b( \S+\.o(\.d)?)?", "", compile_it)
        compile_it = compile_it.replace('\\"', '"')
        self.flags = [f for f in compile_it.split() if not f.endswith("c++") and f[0] == "-"] + ["-O0", "-w"]
        link = next(c for c in lines if " -o tests/test_nn " in c).split(" && ")[1].split()
        self.compiler = link[0]
        self.main = next(f for f in link if f.endswith("/main.cpp.o"))
        self.tests = [f for f in link if f.endswith(".cpp.o") and f != self.main]
        self.libraries = link[link.index("tests/test_nn") + 1:]
        self.precompiled = work / "precompiled.h"
        self.precompiled.write_text("".join(f"#include <{name}>\n" for name in UNCHANGED))
        ok, text = run([self.compiler, *self.flags, "-x", "c++-header", self.precompiled, "-o", f"{self.precompiled}.gch"])
        if not ok:
            sys.exit(text)
        self.passed, self.lock = {}, threading.Lock()

    def compile(self, source, overlay, to):
        return run([self.compiler, f"-I{overlay}", *self.flags, "-include", self.precompiled, "-c", source, "-o", to])

    def link(self, objects, to, without=None):
        """The program `to`; `without` a source of the library that `objects` replace."""
        libraries = self.libraries
        if without:
            archive = to.with_suffix(".a")
            shutil.copy(self.folder / "libunroll.a", archive)
            ok, text = run(["ar", "d", archive, pathlib.Path(without).name + ".o"])
            if not ok:
                return False, text
            libraries = [str(archive) if f == "libunroll.a" else f for f in libraries]
        return run([self.compiler, self.main, *objects, "-o", to, *libraries], cwd=self.folder)

    def fails(self, program, suites):
        """The first test that fails."""
        for suite in suites:
            try:
                done = subprocess.run([program, f"--run_test={suite}", "--color_output=no"], timeout=TIMEOUT, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", cwd=program.parent)
            except subprocess.TimeoutExpired:
                return f"{suite}: does not end"
            if done.returncode != 0:
                where = [line for line in done.stdout.splitlines() if "error: in" in line or "fatal error" in line]
                return where[0].split('"')[1] if where and '"' in where[0] else suite
        return None

    def attempts(self, file, what, text, place):
        """Builds and runs with `text` for a file: (step, built, output or what fails)."""
        shutil.rmtree(place, ignore_errors=True)
        overlay, program = place / "include", place / "program"
        (overlay / "unroll/nn").mkdir(parents=True)
        if file.endswith(".cpp"):
            source = place / pathlib.Path(file).name
            source.write_text(text)
            ok, output = self.compile(source, overlay, place / "changed.o")
            if ok:
                ok, output = self.link([place / "changed.o", *self.tests], program, without=file)
            yield file, ok, self.fails(program, TESTS + OTHER_SUITES) if ok else output
            return
        for name in INSTANTIATED:
            declared = (ROOT / name).read_text()
            (overlay / "unroll" / name).write_text(re.sub(r"extern template class .*;", "", declared))
        (overlay / "unroll" / file).write_text(text)
        first = next((tests for key, tests in FIRST.items() if key in f"{file}: {what}"), [])
        for test in first + [t for t in TESTS if t not in first]:
            ok, output = self.compile(ROOT / f"tests/nn/test_{test}.cpp", overlay, place / "changed.o")
            if ok:
                ok, output = self.link([place / "changed.o"], program)
            yield test, ok, self.fails(program, [test]) if ok else output

    def check(self, file, what, step, place):
        """The same step without a mistake, once."""
        with self.lock:
            if step not in self.passed:
                for found, ok, output in self.attempts(file, what, (ROOT / file).read_text(), place):
                    if found == step:
                        self.passed[step] = None if ok and output is None else output or "does not build"
                        break
        if self.passed[step]:
            return f"without a mistake too: {self.passed[step]}"
        return None

    def judge(self, file, what, text, place):
        for step, ok, output in self.attempts(file, what, text, place / "changed"):
            if not ok:
                return {"result": "does not build", "output": output[-3000:]}
            if output:
                wrong = self.check(file, what, step, place / "plain")
                return {"result": "does not build", "output": wrong} if wrong else {"result": "killed", "by": output}
        return {"result": "survived"}


def table(results):
    files = sorted({r["file"] for r in results})
    lines = ["| file | mistakes | noticed |", "| --- | --: | --: |"]
    for file in files + ["all"]:
        mine = [r for r in results if file in ("all", r["file"])]
        lines.append(f"| {file} | {len(mine)} | {sum(r['result'] == 'killed' for r in mine)} |")
    return "\n".join(lines)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
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

    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    store = work / "results.json"
    done = {} if options.again or not store.exists() else {r["key"]: r for r in json.loads(store.read_text())}
    build = Build(options.build.resolve(), work, options.jobs)
    places = queue.SimpleQueue()
    for i in range(options.jobs):
        places.put(work / f"job{i}")
    writing = threading.Lock()

    def take(mutation):
        file, old, new, what = mutation
        key = f"{file}: {old} -> {new}"
        text = applied((ROOT / file).read_text(), old, new)
        if done.get(key, {}).get("result") == "killed" or text is None:
            return
        place = places.get()
        started = time.monotonic()
        record = {"key": key, "file": file, "what": what} | build.judge(file, what, text, place)
        record["seconds"] = round(time.monotonic() - started, 1)
        places.put(place)
        with writing:
            done[key] = record
            by = f"  [{record['by']}]" if "by" in record else ""
            print(f"{record['result']:15} {file}: {what}{by}", flush=True)
            store.write_text(json.dumps(list(done.values()), indent=1, ensure_ascii=False))

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(take, wanted))

    results = [done[key] for key in (f"{m[0]}: {m[1]} -> {m[2]}" for m in wanted) if key in done]
    print("\n" + table(results))
    survivors = [r for r in results if r["result"] != "killed"]
    for r in survivors:
        print(f"{r['result']}: {r['key']} ({r['what']})")
    return 1 if survivors or stale else 0


if __name__ == "__main__":
    sys.exit(main())
