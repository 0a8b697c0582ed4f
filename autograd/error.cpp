#include <unroll/autograd/error.h>
#include <unroll/autograd/scope.h>

#include <utility>

namespace unroll {

namespace {

std::string body(const Complaint& c) {
  std::string text = c.given;
  if (!c.needed.empty()) text += "; needed " + c.needed;
  if (!c.hint.empty()) text += "; hint: " + c.hint;
  return text;
}

}  // namespace

Error::Error(std::string operation, std::string path, Index step, const std::string& text)
    : std::runtime_error(text),
      operation_(std::move(operation)),
      path_(std::move(path)),
      step_(step) {}

void fail_at(std::string_view operation, const Place& place, const Complaint& complaint) {
  std::string where;
  if (!place.path.empty()) where = "at " + place.path;
  if (place.step >= 0) where += (where.empty() ? "at t=" : ", t=") + std::to_string(place.step);
  if (!where.empty()) where += ": ";
  throw Error(std::string(operation), place.path, place.step,
              "[" + std::string(operation) + "] " + where + body(complaint));
}

void fail(std::string_view operation, const Complaint& complaint) {
  fail_at(operation, current_place(), complaint);
}

void fail_nowhere(std::string_view operation, const Complaint& complaint) {
  throw Error(std::string(operation), {}, -1,
              "[" + std::string(operation) + "] " + body(complaint));
}

}  // namespace unroll
