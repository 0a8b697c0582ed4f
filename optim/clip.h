#pragma once

#include <unroll/autograd/gradients.h>

// Clipping apart from a step; as an option of it, it costs no pass of its own. Both throw, and
// change nothing, where the limit is not above 0 or a gradient is not finite, naming the parameter.
namespace unroll::optim {

// Gradients times min(1, limit / norm), where norm is the Euclidean norm of all of them together;
// returns that norm.
double clip_norm(Gradients& gradients, double limit);

// Every element of every gradient limited to -limit … limit.
void clip_value(Gradients& gradients, double limit);

}  // namespace unroll::optim
