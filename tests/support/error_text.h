#pragma once

#include <unroll/autograd/error.h>

#include <string>

#include <boost/test/unit_test.hpp>

namespace unroll::test {

// What a call throws; empty where it does not.
template <class F>
std::string error_text(const F& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

template <class F>
void check_text(const F& call, const std::string& expected) {
  BOOST_TEST(error_text(call) == expected);
}

// The same for a call whose result does not matter.
template <class F>
void check_throws(const F& f, const std::string& text) {
  check_text([&] { static_cast<void>(f()); }, text);
}

}  // namespace unroll::test
