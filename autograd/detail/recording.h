#pragma once

#include <unroll/autograd/detail/graph_notes.h>
#include <unroll/autograd/detail/observer.h>
#include <unroll/autograd/detail/padded_weights.h>
#include <unroll/autograd/detail/recomputed_parts.h>
#include <unroll/autograd/leaf.h>
#include <unroll/autograd/scope.h>
#include <unroll/autograd/tensor.h>

#include <memory>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace unroll {
struct Operation;
}

namespace unroll::detail {

class Measurements;

inline constexpr std::uint32_t no_node = 0xffffffffU;

// One recorded operation. Its payload in the arena, addresses stable:
//   attributes | saved Header*[saved] | extents of each output | input values u32[inputs]
struct Node {
  const Operation* operation;
  std::byte* payload;
  std::uint32_t first_output;  // index of a value
  std::uint32_t inputs;
  std::uint32_t label;  // index of a Label
  std::uint16_t attribute_bytes;
  std::uint8_t saved;
  std::uint8_t outputs;
};
static_assert(sizeof(Node) == 32);

// One recorded tensor: an output of a node, or a leaf.
struct Value {
  std::uint32_t origin;  // index of its node, or in the leaf table
  std::uint16_t uses;    // as an operand; stays at its maximum
  std::uint8_t rank : 4;
  std::uint8_t is_leaf : 1;
  std::uint8_t dtype : 3;
  std::uint8_t output;  // which output of the node
};
static_assert(sizeof(Value) == 8);

struct Leaf {
  Header* header;            // held until the tape is closed, then null
  std::uint32_t value;       // no_value: a constant, which is a frozen leaf or a view of a leaf
  std::uint32_t version;     // when first read on this tape
  std::uint32_t extents_at;  // into the leaves' extents
  std::shared_ptr<LeafInfo> info;  // null: watched
};

struct Label {
  std::uint32_t path;       // index into paths; 0 is ""
  std::int32_t step;        // -1: none
  std::uint32_t order = 0;  // of the gradient that recorded it; 0: the program itself
};

// What a Tape owns: a flat array of nodes in the order of recording.
class Recording {
 public:
  std::vector<Node> nodes;
  std::vector<Value> values;
  std::vector<Leaf> leaves;
  std::vector<Label> labels;
  std::vector<std::string> paths;
  std::unordered_map<std::uint32_t, std::string> names;  // of values the user named
  std::unordered_map<std::uint32_t, std::shared_ptr<GradientHooks>> hooks;  // on gradients
  PaddedWeights padded_weights;
  RecomputedParts recomputed;

  std::uint64_t serial = 0;
  bool open = true;
  int paused = 0;
  int passes = 0;  // that run now
  bool training = true;
  bool check_finite = false;
  std::uint32_t differentiated = no_node;  // whose derivative is being recorded
  std::uint32_t hooked = no_value;         // the first value whose gradient a hook replaced
  bool observed = false;
  std::uint64_t random_key = 0;
  std::uint64_t random_operations = 0;
  Recording* outer = nullptr;
  std::thread::id thread;

  Recording();
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // The value x has on this tape, no_value for a constant. A leaf is entered at its first use.
  // Throws for a history on another tape, and for a leaf that was changed since it was first read.
  std::uint32_t history(Header* x, const char* operation) {
    if (x->tape == serial) return x->value;
    if (x->is(Header::leaf)) return leaf_value(x, operation);
    if (x->tape == 0) {
      // A constant, but others may write to it.
      const bool of_leaf = x->owner != nullptr && x->owner->is(Header::leaf);
      return of_leaf ? leaf_value(x, operation) : no_value;
    }
    fail_foreign(*x, operation);
  }

  // Appends a node and gives its outputs their history. Returns its attributes, to be filled.
  std::byte* push(const Operation* operation, std::span<const std::uint32_t> inputs,
                  std::span<Header* const> saved, std::size_t attribute_bytes,
                  std::span<Header* const> outputs);

  std::uint32_t add_leaf(Header* x, bool constant);  // watch() and first uses
  Index variables() const;                           // leaves that are no constants
  void check_versions(std::string_view operation) const;

  // Drops saved values and leaves; structure stays readable.
  void release_history();
  void release_saved(Node& node);
  void drop_leaves(std::size_t count);  // all but the first so many
  void release_payloads();              // and the structure's shapes
  void clear_for_reuse();

  // After release_saved a slot remembers the block, as an odd number.
  SavedBlock saved_block(const Node& n, std::uint8_t i) const;
  static bool is_held(const Header* saved) {
    return saved != nullptr && (reinterpret_cast<std::uintptr_t>(saved) & 1U) == 0;
  }
  Index graph_bytes() const;
  Header** saved_of(const Node& n) const {
    return reinterpret_cast<Header**>(n.payload + n.attribute_bytes);
  }
  const std::uint32_t* inputs_of(const Node& n) const;
  std::span<const Index> extents_of(std::uint32_t value) const;
  Shape shape_of(std::uint32_t value) const { return Shape(extents_of(value)); }
  DType dtype_of_value(std::uint32_t value) const {
    return static_cast<DType>(values[value].dtype);
  }
  Index arena_bytes() const;
  const Label& label_of(const Node& n) const { return labels[n.label]; }
  Place place_of(const Node& n) const;

  void measure(bool statistics, bool timings);  // from now on
  std::uint32_t current_path();                 // index of the innermost module's

  // What is recorded next belongs to the place of a node, its derivative, until a scope opens or
  // ends; then, and after forget_place(), to the scopes again. It is of the order that was begun.
  void take_place(const Node& n) {
    if (n.label != place_of_label_) enter_place(n.label);
    label_ = place_;
    label_changes_ = scopes.changes;
  }
  void begin_order(std::uint32_t order);
  void forget_place();
  std::uint32_t highest_order() const { return highest_order_; }

 private:
  std::uint32_t leaf_value(Header* x, const char* operation);
  [[noreturn]] void fail_foreign(const Header& x, std::string_view operation) const;
  [[noreturn]] void fail_changed(const Header& x, std::string_view operation) const;
  std::byte* arena(std::size_t bytes);
  void relabel();
  void enter_place(std::uint32_t label);
  void grow_table();
  void fill_table();

  std::vector<std::uint32_t>
      leaf_table_;  // open addressing on the header's address; index + 1 of a leaf
  std::vector<Index> leaf_extents_;
  std::vector<std::byte*> chunks_;
  std::byte* cursor_ = nullptr;
  std::byte* chunk_end_ = nullptr;
  std::uint32_t label_ = 0;
  std::uint64_t label_changes_ = ~std::uint64_t{0};
  std::uint64_t path_frame_ = 0;
  std::uint32_t path_ = 0;

 public:
  // Last, and the observer asked by a flag, for the sake of push.
  Observer* observer = nullptr;                // where `observed`
  std::unique_ptr<Measurements> measurements;  // then the observer, too; null: none
  GraphNotes notes;

 private:
  std::uint32_t order_ = 0;                  // of what is recorded now
  std::uint32_t highest_order_ = 0;          // so far
  std::uint32_t place_ = 0;                  // the label of derivatives of nodes …
  std::uint32_t place_of_label_ = no_value;  // … with this one
};

// The tapes alive on this thread. `current` is the innermost where it is open and not paused.
struct TapeStack {
  Recording* current = nullptr;
  Recording* top = nullptr;

  void refresh() { current = top != nullptr && top->open && top->paused == 0 ? top : nullptr; }
};
extern constinit thread_local TapeStack tapes;

// Recording off until the end of the block, as inside a backward pass.
class RecordingOff {
 public:
  RecordingOff() : before_(tapes.current) { tapes.current = nullptr; }
  ~RecordingOff() { tapes.current = before_; }
  RecordingOff(const RecordingOff&) = delete;
  RecordingOff& operator=(const RecordingOff&) = delete;

 private:
  Recording* before_;
};

// Opens and ends recordings; arrays are used again, the last ended one stays readable for messages.
Recording* begin_recording();
void close_recording(
    Recording& recording);  // records no more; its tensors are values on every thread
void end_recording(Recording* recording) noexcept;
void end_recording(Recording* recording, Recording* innermost) noexcept;  // one out of order

// "t=63 of lstm.0.forward" for a tensor of the thread's last ended tape; empty where unknown.
std::string origin_of(const Header& x);

// "head.W", or the operation that made a value, and where.
std::string name_of_value(const Recording& tape, std::uint32_t value);

// Throws when x is being recorded by a tape that is open on another thread.
void check_not_elsewhere(const Header& x, std::string_view operation);

}  // namespace unroll::detail
