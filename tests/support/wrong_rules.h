#pragma once

#include "support/rule_case.h"

// Derivative rules with a mistake in each, by families. Every call makes them anew: what some of
// them keep from call to call is not shared.
namespace unroll::test {

RuleCases wrong_by_a_factor();  // scaled, turned round, counted twice, missing
RuleCases wrong_in_one_entry();
RuleCases wrong_terms();             // a term left out, operands swapped, not transposed
RuleCases wrong_for_some_values();   // negative, past a threshold, very large or small
RuleCases wrong_reductions();        // over what was broadcast
RuleCases wrong_for_some_layouts();  // strides, extents of 1
RuleCases wrong_in_use();            // several calls, one operand twice, values saved earlier
RuleCases wrong_for_some_upstreams();
RuleCases wrong_in_one_path();  // in place or recorded, f32
RuleCases wrong_in_second_order();
RuleCases wrong_in_time();   // steps, gates, masks, padding
RuleCases wrong_by_state();  // memory, randomness, values from elsewhere
RuleCases hard_points();     // kinks, and values with too few digits

RuleCases all_wrong_rules();

}  // namespace unroll::test
