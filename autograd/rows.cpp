#include <unroll/autograd/error.h>
#include <unroll/autograd/rows.h>

#include <string>

namespace unroll::detail {

Index checked_rows(const Tensor& x, Index axis, Index known) {
  const Index rows = x.shape()[normalize_axis("count_rows", axis, x.rank())];
  if (known >= 0 && rows != known)
    fail("count_rows",
         {.given = describe(x) + " has " + std::to_string(rows) + " rows, tensors before it " +
                   std::to_string(known),
          .needed = "one number of rows along axis " + std::to_string(axis),
          .hint = "slice_rows(batch, begin, end) and count_rows(batch) of your own beside the "
                  "batch's type"});
  return rows;
}

}  // namespace unroll::detail
