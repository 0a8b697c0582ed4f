#include <unroll/autograd/explain.h>

#include <cmath>
#include <ostream>
#include <sstream>

namespace unroll {
namespace {

std::string index_text(const std::vector<Index>& index) {
  std::string text = "[";
  for (const Index i : index) text += (text.size() > 1 ? ", " : "") + std::to_string(i);
  return text + "]";
}

std::string shapes_text(const std::vector<Shape>& shapes) {
  std::string text;
  for (const Shape& s : shapes) text += (text.empty() ? "" : ", ") + to_string(s);
  return text;
}

std::string what(const Explanation& e) {
  const std::string operation = "operation " + e.operation;
  switch (e.fault) {
    case Fault::none:
      return "no operation's derivative is wrong, nor is the whole";
    case Fault::rule:
      return operation + ": its derivative is wrong";
    case Fault::adding:
      return operation + ": its derivative is right, but is not added to what is there already";
    case Fault::recorded:
      return operation + ": its derivative is wrong where it is recorded, to be differentiated";
    case Fault::second_order:
      return operation + ": the derivative of its derivative is wrong";
    case Fault::operand_unknown:
      return operation + ": its result depends on something that is not an operand";
    case Fault::not_deterministic:
      if (!e.found) return "the function is not deterministic: two runs at one point differ";
      return operation + ": two runs on the same operands give different results";
    case Fault::cut:
      return operation +
             ": reads a value that depends on the inputs as a constant (detach, item, "
             "or computed without the tape); every derivative rule is right";
    case Fault::elsewhere:
      return "every derivative rule is right, the whole is not: a result without history, or "
             "something read that is no operand";
  }
  return {};
}

}  // namespace

std::string Explanation::text() const {
  std::ostringstream out;
  out.precision(10);
  out << what(*this) << "\n";
  if (found) {
    out << "  at ";
    if (!path.empty()) out << path << ", ";
    if (step >= 0) out << "t=" << step << ", ";
    out << "operation " << node << " of " << nodes << " on the tape, " << shapes_text(inputs)
        << " -> " << shapes_text(outputs) << "\n";
  }
  if (input >= 0 || fault == Fault::elsewhere || fault == Fault::cut) {
    out << "  ";
    if (input >= 0) {
      out << "operand " << input << " " << index_text(index);
      if (output >= 0)
        out << " to result " << (outputs.size() > 1 ? std::to_string(output) + " " : "")
            << index_text(output_index);
      else
        out << " to a weighted sum of results";
      out << ": ";
    }
    out << "analytic " << analytic << ", numeric " << numeric;
    if (numeric != 0)
      out << ", relative error " << std::abs(analytic - numeric) / std::abs(numeric);
    out << "\n";
  }
  out << "  " << judged << " of " << nodes << " operations judged, " << wrong << " wrong";
  if (at_kinks > 0) out << ", " << at_kinks << " at a kink";
  out << "; " << runs << " runs\n";
  if (!remark.empty()) out << "  " << remark << "\n";
  return out.str();
}

std::ostream& operator<<(std::ostream& out, const Explanation& explanation) {
  return out << explanation.text();
}

}  // namespace unroll
