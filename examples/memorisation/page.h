#pragma once

#include <string>
#include <vector>

#include "dependence.h"

// One self-contained HTML file: the passage once for each cell. A click on a character shades what
// its prediction depends on; `marked` is shaded at first.
std::string page(const std::vector<std::string>& characters, const std::vector<Dependence>& cells,
                 std::size_t marked);
