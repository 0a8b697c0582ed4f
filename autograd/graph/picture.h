#pragma once

#include <unroll/autograd/graph/draw_options.h>
#include <unroll/autograd/graph/snapshot.h>

#include <optional>
#include <string>
#include <vector>

namespace unroll::graph {

struct Difference;

// What is drawn: boxes, arrows between them, and frames around them. Made from a snapshot by the
// options; printed by to_dot(). Texts are the users' bytes, not yet escaped.
struct Box {
  enum class Kind { parameter, input, operation, state, loss, module, ellipsis, derivative };
  struct Detail {
    std::string name, value;
  };
  // "n12" of a recorded node, "v3" of a leaf, "m12" of a module, "e12" of an ellipsis, "d…" of the
  // derivative of one of these, by the first that it stands for: the same in every run.
  std::string id = {};
  Kind kind = Kind::operation;
  std::vector<std::string> lines = {};
  Index frame = -1;
  bool view = false;                  // its operation only says where elements are
  Index count = 1;                    // operations that it stands for
  std::optional<double> amount = {};  // on the scale
  bool not_finite = false;            // NaN or Inf was made here, or came through
  bool dead = false;                  // a gradient of exactly 0
  bool unreached = false;             // the loss does not depend on it
  Change change = Change::none;
  std::vector<Detail> details = {};  // shown when it is clicked
};

struct Arrow {
  // loop: from an earlier iteration; initial: what the first has instead; gradient: against the
  // direction of the values; saved: what a derivative reads of the values
  enum class Kind { plain, loop, initial, gradient, saved };
  Index from = 0;  // boxes
  Index to = 0;
  Kind kind = Kind::plain;
  std::string label = {};  // shape; of a loop "h, t−1"
  bool delayed = false;    // crosses iterations
  Index count = 1;         // recorded edges that it stands for
  bool not_finite = false;
  Change change = Change::none;
};

// A module, or the iteration of a loop.
struct Frame {
  std::string id = {};
  std::string name = {};
  std::string badge = {};  // "× 200", "× 60 of 200: t = 0–3, 7, …"
  Index inside = -1;       // of which frame
  bool loop = false;
};

struct Scale {
  std::string title = {};  // "‖gradient‖", "bytes", "seconds"
  double least = 0;
  double most = 0;
  bool logarithmic = false;
};

struct Picture {
  std::vector<Box> boxes = {};
  std::vector<Arrow> arrows = {};
  std::vector<Frame> frames = {};
  std::vector<std::string> notes =
      {};  // what is hidden, and why: "200 steps of lstm.0.forward are drawn once"
  std::optional<Scale> scale = {};
  std::string title = {};
};

// Throws for options that contradict each other or ask for what the snapshot lacks, and for a focus
// on what is not in it (naming the nearest names there are).
Picture picture(const Snapshot& snapshot, const DrawOptions& options = {});
Picture picture(const Difference& difference, const DrawOptions& options = {});

}  // namespace unroll::graph
