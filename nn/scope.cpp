#include <unroll/autograd/detail/recording.h>
#include <unroll/nn/scope.h>

namespace unroll::detail {

WithoutTape::WithoutTape() : before_(tapes.current) { tapes.current = nullptr; }

WithoutTape::~WithoutTape() { tapes.current = before_; }

}  // namespace unroll::detail
