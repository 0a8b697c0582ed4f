#pragma once

#include <unroll/autograd/autograd.h>
#include <unroll/autograd/backward.h>

// An operation of one input whose value and derivative rule are given apart, right or wrong.
namespace unroll::test {

struct Ruled {
  Tensor (*value)(const Tensor& x);
  Tensor (*gradient)(const Backward& b, const Tensor& x, const Tensor& dy);

  Tensor operator()(const Tensor& x) const {
    static const Operation record{.name = "ruled", .derivative = [](Backward& b) {
                                    if (!b.upstream().defined()) return;
                                    const Tensor g =
                                        b.attributes<Ruled>().gradient(b, b.saved(0), b.upstream());
                                    if (g.defined()) b.add(0, g);
                                  }};
    Tensor y;
    {
      const detail::RecordingOff off;
      y = value(x);
    }
    return detail::record(record, {&x}, y, {&x}, *this);
  }
};

// Findings that name an input, a cause and the like: what tests of reports ask for.
inline const GradcheckFinding* finding_of(const GradcheckReport& report, const std::string& check) {
  for (const GradcheckFinding& f : report.findings())
    if (f.check == check) return &f;
  return nullptr;
}

}  // namespace unroll::test
