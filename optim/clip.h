#pragma once

#include <unroll/autograd/gradients.h>

// Clipping apart from a step; as an option of it, it costs no pass of its own.
namespace unroll::optim {

// Gradients times min(1, limit / norm), where norm is the Euclidean norm of all of them together;
// returns that norm. Throws, and changes nothing, where it is not finite or the limit is not above
// 0.
double clip_norm(Gradients& gradients, double limit);

// Every element of every gradient limited to -limit … limit. Throws where the limit is not above 0.
void clip_value(Gradients& gradients, double limit);

}  // namespace unroll::optim
