#include "dependence.h"

#include <numeric>

double Dependence::reach() const {
  double weighted = 0, total = 0;
  for (std::size_t t = 0; t < norms.size(); ++t)
    for (std::size_t s = 0; s <= t; ++s) {
      weighted += norms[t][s] * static_cast<double>(t - s);
      total += norms[t][s];
    }
  return total > 0 ? weighted / total : 0;
}

std::vector<double> Dependence::by_distance() const {
  std::vector<double> share(norms.size(), 0.0), rows(norms.size(), 0.0);
  for (std::size_t t = 0; t < norms.size(); ++t) {
    const double all = std::accumulate(norms[t].begin(), norms[t].end(), 0.0);
    for (std::size_t s = 0; s <= t; ++s) {
      share[t - s] += all > 0 ? norms[t][s] / all : 0;
      rows[t - s] += 1;
    }
  }
  for (std::size_t k = 0; k < share.size(); ++k) share[k] /= rows[k];
  return share;
}
