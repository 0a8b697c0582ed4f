#pragma once

#include <unroll/autograd/parameter_list.h>
#include <unroll/optim/state.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace unroll::optim {

enum class Averaging { exponential, equal };

struct AverageOptions {
  double decay = 0.999;  // of exponential
  Averaging averaging = Averaging::exponential;
};

// Averages of parameters over the steps, often better than the last ones:
//   optim::Average average(model.parameters(), {.decay = 0.9995});
//   adam.step(grads);
//   average.update();
//   {
//     const auto swapped = average.swap();  // the model has its averages until the block ends
//     validate(model);
//   }
// The first update copies the parameters p; afterwards a += (1 - decay) · (p - a) (exponential),
// or, as the nth, a += (p - a) / n (equal: Polyak and Juditsky 1992, and SWA, Izmailov et al. 2018,
// updated once an epoch). They are kept in f64: in f32 a small 1 - decay would add nothing.
class Average {
 public:
  class Swapped;

  // Throws where a tensor is no parameter or there twice, or the decay is not in 0 … 1.
  explicit Average(std::span<const Tensor> parameters, const AverageOptions& options = {});
  Average(const Average&) = delete;
  Average& operator=(const Average&) = delete;

  // Takes the parameters as they are. Throws, and takes nothing, while they are swapped, where one
  // is not finite or where one has changed its dtype.
  void update();
  Index updates() const { return updates_; }

  // Writes the averages over the parameters, rounded to their dtype, until what it returns dies;
  // then the parameters are as they were, to the bit, on every way out: what was changed in them
  // meanwhile is lost. Throws before the first update, and while they are swapped. Tapes notice.
  [[nodiscard]] Swapped swap();

  Tensor operator[](const Tensor& parameter) const;  // a copy, f64; throws where it is not held

  std::vector<StateEntry> state() const;
  // Throws, with all that is wrong, before anything is changed.
  void restore(std::span<const StateEntry> entries);

 private:
  void check_usable(const char* what) const;
  std::vector<std::string> names() const;

  AverageOptions options_;
  Index updates_ = 0;
  std::vector<Tensor> parameters_;
  std::vector<Tensor> averages_;
  std::shared_ptr<bool> swapped_ = std::make_shared<bool>(false);
};

class [[nodiscard]] Average::Swapped {
 public:
  ~Swapped();
  Swapped(const Swapped&) = delete;
  Swapped& operator=(const Swapped&) = delete;

 private:
  friend class Average;
  explicit Swapped(const Average& average);

  std::vector<Tensor> parameters_;
  std::vector<Tensor> originals_;
  std::shared_ptr<bool> flag_;
};

}  // namespace unroll::optim
