#include <unroll/autograd/gradcheck.h>

#include <algorithm>
#include <ostream>
#include <sstream>

namespace unroll {
namespace {

std::string text_of(const std::vector<Index>& index) {
  std::string text = "[";
  for (std::size_t i = 0; i < index.size(); ++i)
    text += (i > 0 ? ", " : "") + std::to_string(index[i]);
  return text + "]";
}

std::string cure(GradcheckCause cause, const GradcheckFinding& f) {
  using enum GradcheckCause;
  switch (cause) {
    case wrong_derivative:
      return "differences agree with each other and not with the derivative rule; look at the rule";
    case kink:
      return "slopes on both sides stay apart however small the step: the point is on a kink or an "
             "edge; move the input away from it, or test the documented derivative there exactly";
    case precision:
      return "no step gives differences good enough to judge; compute in f64 throughout (an f32 "
             "tensor inside?), or scale the inputs so that the function is less steep";
    case not_deterministic:
      return "the function is not the same at every call; draw random numbers with default_rng(), "
             "which is held fixed, and change nothing that outlives the call";
    case unrelated:
      return "the function does not change with " + f.input +
             " although it has a gradient; it reads another copy of the values, made before";
    case missing:
      return "the function changes with " + f.input +
             " but no gradient comes; look for detach, item, or a copy on the way";
    case counted_twice:
      return "the gradient is a whole multiple of the right one; look for a sum that counts a part "
             "twice, as where a tensor that is used often is added by its rule and by another";
  }
  return {};
}

}  // namespace

std::string_view name_of(GradcheckCause cause) {
  using enum GradcheckCause;
  switch (cause) {
    case wrong_derivative:
      return "wrong derivative";
    case kink:
      return "kink";
    case precision:
      return "too little precision";
    case not_deterministic:
      return "not deterministic";
    case unrelated:
      return "not a function of what was perturbed";
    case missing:
      return "gradient missing";
    case counted_twice:
      return "gradient counted twice";
  }
  return {};
}

std::string GradcheckFinding::text() const {
  std::ostringstream out;
  out.precision(10);
  if (check != "gradient") out << check << ": ";
  if (!input.empty()) out << input << ' ' << shape;
  if (!index.empty())
    out << " at " << text_of(index);
  else if (!sweep.empty() && shape.rank() > 0)
    out << " along a direction";
  if (step >= 0) out << " t=" << step;
  if (results > 1 || !output.empty()) {
    out << (input.empty() ? "output" : ", output");
    if (results > 1) out << ' ' << result;
    if (!output.empty()) out << ' ' << text_of(output);
  }
  const bool derivative = !sweep.empty();
  out << ": " << (derivative ? "analytic " : "found ") << analytic
      << (derivative ? ", numeric " : ", expected ") << numeric;
  out.precision(3);
  out << ", relative error " << relative_error;
  if (wrong > 1) out << "; " << wrong << " of " << of << " are wrong";
  if (!note.empty()) out << "; " << note;
  out << "\n  " << name_of(cause) << ": " << cure(cause, *this);
  if (derivative) {
    out << "\n  step        numeric             relative error";
    for (const GradcheckSweep& s : sweep) {
      std::ostringstream line;
      line.precision(3);
      line.setf(std::ios::left);
      line.width(12);
      line << s.step;
      line.precision(12);
      line.width(20);
      line << s.numeric;
      line.precision(3);
      line << s.error;
      out << "\n  " << line.str();
    }
  }
  return out.str();
}

std::string GradcheckReport::text() const {
  std::ostringstream out;
  out.precision(3);
  if (ok()) {
    const bool one = compared_ == 1;
    out << "gradcheck: " << compared_ << (one ? " derivative of " : " derivatives of ") << inputs_
        << (inputs_ == 1 ? " input" : " inputs") << (one ? " agrees" : " agree");
    if (sampled_ > 0) out << " (" << sampled_ << " along random directions)";
    out << ", largest relative difference " << std::max(worst_first_, worst_second_) << ", "
        << evaluations_ << " evaluations";
  } else {
    out << "gradcheck: " << findings_.size() << (findings_.size() == 1 ? " finding" : " findings");
    for (const GradcheckFinding& f : findings_) out << '\n' << f.text();
    if (!explanation_.empty()) out << "\nfirst wrong operation: " << explanation_;
  }
  if (!hooked_.empty())
    out << "\na hook replaced the gradient of " << hooked_ << ": what it made of it was compared";
  return out.str();
}

std::ostream& operator<<(std::ostream& out, const GradcheckReport& report) {
  return out << report.text();
}

}  // namespace unroll
