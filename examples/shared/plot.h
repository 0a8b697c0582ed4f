#pragma once

#include <cstdlib>
#include <string>

// Runs examples/<name>/plot.gp on the files in a folder; false where gnuplot is not installed.
inline bool plot(const std::string& name, const std::string& folder) {
  if (std::system("gnuplot --version > /dev/null 2>&1") != 0) return false;
  const std::string script = std::string(UNROLL_SOURCE_DIR) + "/examples/" + name + "/plot.gp";
  std::string quoted = "'";
  for (const char c : folder) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  quoted += "'";
  return std::system(("cd " + quoted + " && gnuplot '" + script + "'").c_str()) == 0;
}
