#pragma once

#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/detail/strided.h>

#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace unroll::detail {

// The gradient of one value during a pass.
struct Slot {
  enum Flag : std::uint16_t {
    needed = 1,     // something wanted depends on its value
    wanted = 2,     // asked for: stays, and is never the memory of another
    full = 4,       // every element holds something
    shared = 8,     // others hold the buffer too: copied before the first add
    deferred = 16,  // products wait for it
    apart = 32,     // a view with a buffer of its own, since one of the views under it is wanted
    passed = 64,    // the same memory as the gradient of the producer's third input
    sparse = 128,   // rows wait for it
    hooked = 256,   // hooks of the tape see it
    passing = 512,  // wanted by hooks alone: goes once its rule has run
  };
  Header* buffer = nullptr;
  std::uint32_t cover = 0;  // index of the rectangles that hold something; 0: none
  std::uint16_t flags = 0;

  bool is(Flag f) const { return (flags & f) != 0; }
  void set(Flag f) { flags = static_cast<std::uint16_t>(flags | f); }
  void clear(Flag f) { flags = static_cast<std::uint16_t>(flags & ~f); }
};
static_assert(sizeof(Slot) == 16);

// Rows of a table and where they belong.
struct SparseRows {
  Tensor ids;   // i64, any shape
  Tensor rows;  // [ids..., size]
};

// The gradient of a wanted value: dense or rows of a table, or neither where nothing flowed.
struct PassResult {
  Tensor dense;
  std::vector<SparseRows> rows;
};

// What hooks made of gradients, by value.
using Replacements = std::unordered_map<std::uint32_t, Tensor>;

// One run of the reverse loop. Where nothing is recorded, gradients are written in place: into the
// region of a viewed tensor's gradient, into the addend's of a sum, into what a stack hands down;
// and products of a tensor that is used often are gathered. Where it is recorded, slots hold
// recorded tensors and are combined by recorded additions.
class GradientPass {
 public:
  struct Options {
    bool differentiable = false;
    bool retain = false;
    Replacements* replaced = nullptr;  // to be filled …
    // … or, where norms are asked for, to stand in for hooks: every gradient is then in memory of
    // its own until it is complete and measured.
    std::vector<std::optional<double>>* norms = nullptr;
  };
  GradientPass(Recording& tape, Options options);
  ~GradientPass();
  GradientPass(const GradientPass&) = delete;
  GradientPass& operator=(const GradientPass&) = delete;

  // Gradients of the value `top`, weighted with `upstream`, with respect to each of `wanted`.
  std::vector<PassResult> run(std::uint32_t top, const Tensor& upstream,
                              std::span<const std::uint32_t> wanted);

  // The rules of a few nodes alone, in ascending order: gradients of `wanted`, operands of theirs,
  // for given gradients of their results. What reaches other values is dropped. `begun` lies at
  // wanted values beforehand, as after an earlier use. May be called again and again.
  struct Seed {
    std::uint32_t value;
    Tensor gradient;
  };
  std::vector<PassResult> run_alone(std::span<const std::uint32_t> nodes,
                                    std::span<const Seed> seeds,
                                    std::span<const std::uint32_t> wanted,
                                    std::span<const Seed> begun = {});

  bool differentiable() const { return options_.differentiable; }
  Recording& tape() { return tape_; }
  Slot& slot(std::uint32_t value) { return slots_[value]; }
  bool needs(std::uint32_t value) const {
    return value != no_value && slots_[value].is(Slot::needed);
  }

  void add(std::uint32_t value, const Tensor& gradient);
  // Where to write the gradient of a value, now; what others still read there is brought elsewhere
  // first.
  Destination destination(std::uint32_t value);
  // The same for a rule that writes to several at once: none may be written if one is read by
  // others.
  Destination claim_destination(std::uint32_t value, int depth = 0);
  void defer_product(std::uint32_t value, const Tensor& a, const Tensor& g);
  void add_rows(std::uint32_t value, const Tensor& ids, const Tensor& rows);
  // Where it is recorded: g lies in the gradient of a value as `layout` says; aᵀ·g is added to it.
  // Both wait for others of the same value.
  void add_recorded_region(std::uint32_t value, const Tensor& g, const Layout& layout);
  void add_recorded_product(std::uint32_t value, const Tensor& a, const Tensor& g);
  Tensor transposed(const Tensor& W);  // recorded once in a pass
  bool hand_over(std::uint32_t value, const Tensor& piece);
  // The slot of a value whose gradient is a buffer of its own, and no other's, or is yet to be
  // made; null where it may be a region, shared or waited for.
  Slot* plain_slot(std::uint32_t value);
  // Whether the buffer of a value belongs to its slot alone and nothing waits to read it.
  bool owns_buffer(std::uint32_t value) const;

 private:
  struct Rectangle {
    Index row_begin, row_end, column_begin, column_end;
  };
  // A view as a rectangle of its root; strides count row-major elements of the root.
  struct Region {
    std::uint32_t root;
    std::span<const Index> extents;
    const Index* strides;
    Index columns;  // of the root
    Rectangle place;
  };
  struct Product {
    Tensor a, g;
    std::uint32_t node;  // whose derivative it belongs to
  };
  // What waits to be added while recording.
  struct Recorded {
    std::vector<Tensor> pieces;
    std::vector<Layout> layouts;  // of each piece
    std::vector<Product> products;
  };
  // Products of one value in the order in which they came: newest step first.
  struct Products {
    std::vector<Product> list;
    Index rows = 0;
  };
  struct TakenProducts;
  struct Transposed {
    Tensor of;  // kept, so that its address means no other
    Tensor turned;
  };
  // A value whose gradient lies in that of `into`, until its rule has run.
  struct Passed {
    std::uint32_t value;
    std::uint32_t into;
  };

  void mark(std::uint32_t top, std::span<const std::uint32_t> wanted);
  void mark_node(const Node& node);
  std::uint32_t order_of(std::uint32_t top) const;
  void forget(std::uint32_t value);
  void visit_node(std::uint32_t index);
  void run_watched_rule(const Node& node, std::uint32_t index);
  void mark_measured();
  void measure(std::uint32_t value);
  void measure_leaves();
  // Under check_finite:
  void run_checked_rule(const Node& node, std::uint32_t index);
  Tensor gradient_so_far(std::uint32_t value);
  void check_products(std::uint32_t value, std::span<const Product> list, const Tensor& sum);
  bool is_view(std::uint32_t value) const;
  bool lies_in_root(std::uint32_t value) const;
  bool find_region(std::uint32_t value, Region& region) const;
  Tensor region_of_buffer(const Region& region) const;
  void ensure_buffer(std::uint32_t value, int depth);
  void own(std::uint32_t value);
  bool is_over(const Tensor& region, std::uint32_t of, const Passed& p) const;
  bool is_read_by_others(const Tensor& region, std::uint32_t of) const;
  void bring_elsewhere(const Tensor& region, std::uint32_t of);
  bool claim(std::uint32_t root, const Rectangle& wanted);
  void complete(std::uint32_t value);
  void flush(std::uint32_t value);
  void flush_ready();
  void multiply_blocks(std::uint32_t value, Products& waiting, bool all);
  void flush_all();
  void flush_recorded(std::uint32_t value);
  void flush_all_recorded();
  void flush_rows(std::uint32_t value);
  Tensor dense_of_rows(std::uint32_t value, const std::vector<SparseRows>& rows) const;
  void mark_hooked();
  void run_hooks(std::uint32_t value);
  void run_leaf_hooks(std::span<const std::uint32_t> wanted, std::vector<PassResult>& results);
  Tensor through_hooks(std::uint32_t value, const GradientHooks& hooks,
                       const Tensor& gradient) const;
  void check_replacement(std::uint32_t value, const Tensor& before, const Tensor& after) const;
  PassResult take(std::uint32_t value);
  void pin(const Tensor& g);
  void unpin(const Tensor& g);

  Recording& tape_;
  Options options_;
  Measurements* timings_ = nullptr;  // where rules are timed
  bool watched_ = false;             // rules are checked or timed
  std::uint32_t at_ = no_node;       // whose derivative runs
  std::vector<Slot> slots_;
  std::vector<std::vector<Rectangle>> covers_;
  std::vector<Passed> passed_;
  std::unordered_map<std::uint32_t, Products> products_;
  std::vector<std::uint32_t> ready_;         // with a block of products or more
  std::unordered_map<Header*, Index> pins_;  // how many products read a buffer
  std::unordered_map<std::uint32_t, std::vector<SparseRows>> rows_;
  std::unordered_map<std::uint32_t, Recorded> recorded_;
  std::unordered_map<std::uint64_t, Transposed> transposed_;  // by value, or address of a constant
};

// Fills tape.notes.norms by a pass of its own, after one that retained.
void keep_norms(Recording& tape, std::uint32_t top, const Tensor& upstream, Replacements& replaced,
                bool retain);

}  // namespace unroll::detail
