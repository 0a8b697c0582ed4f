#pragma once

#include "support/rule_case.h"

// Functions whose derivatives are right, as awkward as they come: what a gradient check must not
// complain of.
namespace unroll::test {

RuleCases right_by_hand();  // the rules that the wrong ones are made from, and views into them
RuleCases right_in_compositions();  // deep, repeated operands, repeated calls, shared parts
RuleCases right_elementwise();      // operations of the library, some with kinks near by
RuleCases right_of_shapes();        // reductions, products, views, ids, losses
RuleCases right_at_extremes();      // scales, zeros, empty inputs, nearly singular points

RuleCases all_right_rules();

}  // namespace unroll::test
