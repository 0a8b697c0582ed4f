#include <unroll/autograd/leaf.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/simd/packet.h>
#include <unroll/optim/detail/plan.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <vector>

#define UNROLL_SIMD_BODY <unroll/optim/detail/rules.h>
#include <unroll/autograd/simd/for_each_isa.h>
#define UNROLL_SIMD_BODY <unroll/optim/detail/update_kernels.h>
#include <unroll/autograd/simd/for_each_isa.h>

namespace unroll::optim::detail {
namespace {

using unroll::detail::data;

template <class T>
using Kernel = void (*)(const Update&, Index, const T*, T*, T* const*);

template <class T>
Kernel<T> kernel_of(Rule rule) {
  using namespace simd;
  return dispatch(baseline::kernel_of<T>, avx2::kernel_of<T>, avx512::kernel_of<T>)(rule);
}

// The gradient of rows that have none.
template <class T>
constexpr std::array<T, 2048> no_gradient{};

// A job with its arrays as T.
template <class T>
struct Pass {
  explicit Pass(const Job& j)
      : job(j),
        kernel(kernel_of<T>(j.rule)),
        g(data<T>(j.gradient)),
        p(data<T>(j.parameter)),
        columns(j.sparse ? j.parameter.size(-1) : 0) {
    for (std::size_t k = 0; k < moments.size(); ++k)
      moments[k] = j.moments[k].defined() ? data<T>(j.moments[k]) : nullptr;
  }

  void step(Index at, Index n, const T* gradient) const {
    std::array<T*, most_moments> here = moments;
    for (T*& moment : here)
      if (moment != nullptr) moment += at;
    kernel(job.update, n, gradient, p + at, here.data());
  }

  // Elements begin … end - 1 of the rows that are there.
  void some_rows(Index begin, Index end) const {
    for (Index i = begin, n; i < end; i += n) {
      const Index row = i / columns;
      n = std::min(end, (row + 1) * columns) - i;
      step(job.ids[static_cast<std::size_t>(row)] * columns + i % columns, n, g + i);
    }
  }

  // Elements begin … end - 1 of the table.
  void all_rows(Index begin, Index end) const {
    auto next = std::lower_bound(job.ids.begin(), job.ids.end(), begin / columns);
    for (Index i = begin, n; i < end; i += n) {
      const Index row = i / columns;
      if (next != job.ids.end() && *next == row) {
        n = std::min(end, (row + 1) * columns) - i;
        step(i, n, g + (next - job.ids.begin()) * columns + i % columns);
        ++next;
      } else {
        const Index stop = next == job.ids.end() ? end : std::min(end, *next * columns);
        n = std::min(stop - i, std::ssize(no_gradient<T>));
        step(i, n, no_gradient<T>.data());
      }
    }
  }

  void operator()(Index begin, Index end) const {
    if (!job.sparse)
      step(begin, end - begin, g + begin);
    else if (job.all_rows)
      all_rows(begin, end);
    else
      some_rows(begin, end);
  }

  const Job& job;
  Kernel<T> kernel;
  const T* g;
  T* p;
  std::array<T*, most_moments> moments;
  Index columns;
};

constexpr Index grain = 32768;  // elements of a task; the arrays of one fit the second-level cache
constexpr Index line =
    64;  // a parameter starts at a multiple of so many, so that tasks cut at cache lines

Index elements_of(const Job& job) {
  return job.sparse && !job.all_rows ? job.gradient.size() : job.parameter.size();
}

}  // namespace

std::string path_and_type(const Tensor& parameter) {
  return unroll::detail::leaf_path(*parameter.header()) + " " + unroll::describe(parameter);
}

bool is_frozen(const Tensor& parameter) {
  return parameter.header()->is(unroll::detail::Header::frozen);
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::string option_text(std::initializer_list<std::pair<const char*, double>> options) {
  std::string text;
  for (const auto& [name, value] : options)
    text += ", " + std::string(name) + " " + number_text(value);
  return text;
}

std::span<const std::string_view> moment_names(Rule rule) {
  using Names = std::string_view[];
  static constexpr Names momentum{"momentum"}, adam{"first", "second", "largest"},
      adamax{"first", "largest"}, rmsprop{"second", "mean", "momentum"},
      rmsprop_momentum{"second", "momentum"}, adagrad{"sum"}, adadelta{"second", "change"};
  switch (rule) {
    case Rule::plain:
      return {};
    case Rule::momentum:
    case Rule::lion:
      return momentum;
    case Rule::adam:
    case Rule::nadam:
      return std::span(adam).first(2);
    case Rule::amsgrad:
      return adam;
    case Rule::adamax:
      return adamax;
    case Rule::rmsprop:
      return std::span(rmsprop).first(1);
    case Rule::rmsprop_centred:
      return std::span(rmsprop).first(2);
    case Rule::rmsprop_momentum:
      return rmsprop_momentum;
    case Rule::rmsprop_centred_momentum:
      return rmsprop;
    case Rule::adagrad:
      return adagrad;
    case Rule::adadelta:
      break;
  }
  return adadelta;
}

bool squares(Rule rule) {
  return rule != Rule::plain && rule != Rule::momentum && rule != Rule::adamax &&
         rule != Rule::lion;
}

void run(std::span<const Job> jobs) {
  // All parameters one after another, cut without regard to where one ends: many small ones make
  // one task.
  std::vector<Index> starts;
  starts.reserve(jobs.size());
  Index total = 0;
  for (const Job& job : jobs) {
    starts.push_back(total);
    total += (elements_of(job) + line - 1) / line * line;
  }
  unroll::detail::parallel_for(total, grain, [&](Index begin, Index end) {
    auto k = static_cast<std::size_t>(std::upper_bound(starts.begin(), starts.end(), begin) -
                                      starts.begin()) -
             1;
    for (; k < jobs.size() && starts[k] < end; ++k) {
      const Job& job = jobs[k];
      const Index from = std::max<Index>(begin - starts[k], 0);
      const Index to = std::min(end - starts[k], elements_of(job));
      if (from >= to) continue;
      visit_floating(job.parameter.dtype(), [&]<class T>(T) { Pass<T>{job}(from, to); });
    }
  });
}

}  // namespace unroll::optim::detail
