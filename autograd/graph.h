#pragma once

// The recorded graph as data, as pictures, compared, and measured. Plain data and text need nothing;
// pictures need the target unroll::graph (Graphviz).
#include <unroll/autograd/graph/diff.h>
#include <unroll/autograd/graph/dot.h>
#include <unroll/autograd/graph/draw_options.h>
#include <unroll/autograd/graph/fold.h>
#include <unroll/autograd/graph/gradient_flow.h>
#include <unroll/autograd/graph/json.h>
#include <unroll/autograd/graph/picture.h>
#include <unroll/autograd/graph/snapshot.h>
#include <unroll/autograd/graph/write.h>
