#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "check_variants/operand_layouts.h"

// What is judged of an operation, made from its check row: by the tests and by unroll-gradcheck.
namespace unroll::checks {

using Function = std::function<Tensor(std::span<const Tensor>)>;

// A function of leaves in f64, some of which may be constants of the tape. Their numbers are exact
// in f32 too.
struct Variant {
  std::string name = {};
  std::vector<Tensor> leaves = {};  // i64 among them are ids
  Function f = {};
  Function dense_f =
      {};  // the same on dense copies of the operands; empty where f takes them as they are
  unsigned constants = 0;  // bit i: leaf i is not watched
  bool gaps = false;       // leaves and upstream gradient without dense storage
  bool alone = true;       // one call of the operation, of views at most: no other rounding
  double scale = 1;        // where terms of the gradients may cancel: how large they are
};
bool is_watched(const Variant& v, std::size_t leaf);

// Every variant of every case, drawn anew by each call: operands in every layout, several ranks and
// sizes, empty ones among them, broadcasting, the same tensor twice, every subset of constants.
std::vector<Variant> variants_of(const Check& check, Rng& rng);

std::vector<Tensor> draw_all(const CheckCase& c, Rng& rng);
// The case with one extent, wherever its inputs have it, replaced; none where no input has it.
std::optional<CheckCase> resized(const CheckCase& c, Index from, Index to);
// The extents that the inputs of a case have, each once.
std::vector<Index> extents_of(const CheckCase& c);

}  // namespace unroll::checks
