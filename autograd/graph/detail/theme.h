#pragma once

#include <unroll/autograd/graph/picture.h>

#include <string>

namespace unroll::graph::detail {

// How boxes of a kind look. Colours are those of Okabe and Ito 2008, lightened or darkened: they
// can be told apart by colour-blind readers, and shapes differ as well.
struct Look {
  const char* fill;
  const char* line;
  const char* text;
  const char* shape;
  const char* style;
};

struct Palette {
  const char* background;
  const char* text;
  const char* faint;  // shapes on arrows, notes
  const char* arrow;
  const char* loop;
  const char* gradient;
  const char* saved;
  const char* bad;  // NaN and Inf
  const char* bad_fill;
  const char* frame;
  const char* frame_fill;
  const char* loop_fill;
  const char* added;
  const char* added_fill;
  const char* removed;
  const char* removed_fill;
  const char* changed;
  const char* changed_fill;
};

const Palette& palette(Theme theme);
Look look(Box::Kind kind, Theme theme);
const char* name_of(Box::Kind kind);  // in the legend

// Where an amount lies on a scale, 0 … 1.
double position(const Scale& scale, double amount);
// Viridis, which grows evenly in lightness.
std::string colour(double position);
bool is_dark(double position);

}  // namespace unroll::graph::detail
