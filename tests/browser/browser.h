#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace unroll::test {

struct Visit {
  std::string fragment = {};  // of the page's address, "#n3"
  bool dark = false;          // what the reader's system is set to
  int width = 1280, height = 800;
};

// Opens a page in a browser without a window, runs the body of an asynchronous function in it, and
// gives what that returns as JSON, {"result": …, "errors": […], "loaded": […]}: what the page
// complained about, and what it asked the network or the disk for. Functions for the script are in
// browser.cpp.
nlohmann::json visit(const std::string& page, const std::string& script, const Visit& how = {});

}  // namespace unroll::test
