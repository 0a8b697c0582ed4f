#include <unroll/autograd/detail/measurements.h>
#include <unroll/autograd/detail/roll_back.h>

namespace unroll::detail {

// Payloads stay in the arena until the tape ends.
RollBack::~RollBack() {
  if (tape_ == nullptr) return;
  for (std::size_t i = nodes_; i < tape_->nodes.size(); ++i) {
    Node& node = tape_->nodes[i];
    const std::uint32_t* inputs = tape_->inputs_of(node);
    for (std::uint32_t k = 0; k < node.inputs; ++k) {
      if (inputs[k] == no_value) continue;
      auto& uses = tape_->values[inputs[k]].uses;
      if (uses != 0xffff) --uses;  // the maximum means as many or more
    }
    tape_->release_saved(node);
  }
  tape_->drop_leaves(leaves_);
  tape_->recomputed.take_back(nodes_);
  if (tape_->measurements != nullptr) tape_->measurements->take_back(nodes_, values_);
  tape_->notes.take_back(static_cast<std::uint32_t>(values_));
  std::erase_if(tape_->names, [&](const auto& named) { return named.first >= values_; });
  tape_->nodes.resize(nodes_);
  tape_->values.resize(values_);
}

}  // namespace unroll::detail
