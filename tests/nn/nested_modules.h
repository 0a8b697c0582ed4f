#pragma once

#include <unroll/unroll.h>

// A module with parameters, and one with parts and a list of such.
namespace unroll::test {

struct Inner : nn::Module {
  struct Options {
    Index size = 2;
  };
  explicit Inner(Options o) : options(o) {}
  const Options options;
  nn::Parameter W{*this, "W", {options.size, 3}, init::normal(1)};
  nn::Parameter b{*this, "b", {3}, init::zeros()};
};

struct Outer : nn::Module {
  struct Options {
    Index size = 2;
  };
  explicit Outer(Options o) : options(o) {}
  const Options options;
  nn::Parameter scale{*this, "scale", {1}, init::constant(2)};
  nn::Child<Inner> left{*this, "left", {.size = options.size}};
  nn::Child<Inner> right{*this, "right", {.size = 4}};
  nn::List<Inner> heads{*this, "heads"};
};

}  // namespace unroll::test
