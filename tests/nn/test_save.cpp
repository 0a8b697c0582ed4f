#include <unroll/autograd/compare.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/tape.h>
#include <unroll/nn/save.h>

#include <csignal>
#include <filesystem>

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <support/error_text.h>
#include <support/temporary_folder.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace unroll;
using namespace unroll::test;

namespace {

struct Part : nn::Module {
  struct Options {
    Index size = 3;
  };
  explicit Part(Options o) : options(o) {}
  const Options options;
  nn::Parameter W{*this, "W", {options.size, options.size}, init::xavier()};
  nn::Parameter b{*this, "b", {options.size}, init::normal(1)};
};

struct Whole : nn::Module {
  struct Options {
    Index size = 3;
  };
  explicit Whole(Options o) : options(o) {}
  const Options options;
  nn::Parameter scale{*this, "scale", {}, init::normal(1)};
  nn::Child<Part> first{*this, "first", {.size = options.size}};
  nn::Child<Part> second{*this, "second", {.size = options.size + 1}};
};

std::vector<Tensor> values(const nn::Module& model) {
  std::vector<Tensor> copies;
  for (const auto& [path, x] : model.parameters()) copies.push_back(x + 0.0);
  return copies;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  bool equal = a.size() == b.size();
  for (std::size_t i = 0; equal && i < a.size(); ++i) equal = all_equal(a[i], b[i]).ok();
  return equal;
}

// The largest file this process may write, until the end of the block; a longer one is an error,
// not a signal.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : signal_before_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_before_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*signal_before_)(int);
};

unsigned mode_of(const std::string& path) {
  struct stat status = {};
  BOOST_REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

const std::string hint =
    "; needed the names, shapes and dtypes of the model; nothing was changed; hint: "
    "nn::load(model, path, {.partial = true}) takes what is in "
    "both, .convert changes dtypes, .prefix names a part of the file";

}  // namespace

BOOST_AUTO_TEST_SUITE(load)

BOOST_AUTO_TEST_CASE(a_twin_gets_every_bit) {
  const TemporaryFolder folder;
  const Whole model({});
  nn::save(model, folder / "model.safetensors", {{"step", "7"}});
  Whole twin({});
  BOOST_TEST(!same(values(model), values(twin)));
  const auto report = nn::load(twin, folder / "model.safetensors");
  BOOST_TEST(same(values(model), values(twin)));
  BOOST_TEST(report.loaded ==
                 (std::vector<std::string>{"scale", "first.W", "first.b", "second.W", "second.b"}),
             boost::test_tools::per_element());
  BOOST_TEST(report.missing.empty());
  BOOST_TEST(report.extra.empty());
  BOOST_TEST(nn::Safetensors::open(folder / "model.safetensors").metadata().at("step") == "7");
}

BOOST_AUTO_TEST_CASE(frozen_parameters_are_loaded_and_stay_frozen) {
  const TemporaryFolder folder;
  const Whole model({});
  nn::save(model, folder / "m");
  Whole twin({});
  twin.freeze();
  nn::load(twin, folder / "m");
  BOOST_TEST(same(values(model), values(twin)));
  BOOST_TEST(twin.first.W.is_frozen());
}

BOOST_AUTO_TEST_CASE(says_all_that_does_not_fit_and_changes_nothing) {
  const TemporaryFolder folder;
  nn::save_safetensors(folder / "m", {{.name = "scale", .tensor = reshape(tensor({1}), {})},
                                      {.name = "first.W", .tensor = zeros({3, 4})},
                                      {.name = "first.b", .tensor = zeros({3}, f64)},
                                      {.name = "second.W", .tensor = zeros({4, 4})},
                                      {.name = "third.W", .tensor = zeros({1})},
                                      {.name = "third\n", .tensor = zeros({1})}});
  Whole model({});
  const auto before = values(model);
  const std::string path = "[load] \"" + folder / "m" + "\" does not fit: ";
  const std::string scale = "scale is f32 [] in the model and i64 [] in the file, ";
  const std::string W = "first.W is f32 [3, 3] in the model and f32 [3, 4] in the file";
  const std::string b = ", first.b is f32 [3] in the model and f64 [3] in the file";
  const std::string others =
      ", second.b is missing in the file, \"third.W\" is not in the model, \"third\\x0a\" is not "
      "in the model";
  BOOST_TEST(error_text([&] { nn::load(model, folder / "m"); }) ==
             path + scale + W + b + others + hint);
  BOOST_TEST(error_text([&] { nn::load(model, folder / "m", {.partial = true}); }) ==
             path + scale + W + b + hint);
  BOOST_TEST(error_text([&] {
               nn::load(model, folder / "m", {.partial = true, .convert = true});
             }) == path + scale + W + hint);
  BOOST_TEST(same(values(model), before));
}

BOOST_AUTO_TEST_CASE(partial_takes_what_both_have) {
  const TemporaryFolder folder;
  nn::save_safetensors(folder / "m", {{.name = "first.b", .tensor = tensor({1.0, 2.0, 3.0})},
                                      {.name = "other", .tensor = zeros({1})}});
  Whole model({});
  const auto before = values(model);
  BOOST_TEST(!error_text([&] { nn::load(model, folder / "m"); }).empty());
  const auto report = nn::load(model, folder / "m", {.partial = true});
  BOOST_TEST(report.loaded == std::vector<std::string>{"first.b"},
             boost::test_tools::per_element());
  BOOST_TEST(
      report.missing == (std::vector<std::string>{"scale", "first.W", "second.W", "second.b"}),
      boost::test_tools::per_element());
  BOOST_TEST(report.extra == std::vector<std::string>{"other"}, boost::test_tools::per_element());
  BOOST_TEST(all_equal(model.first.b + 0.0, tensor({1.0, 2.0, 3.0})));
  BOOST_TEST(all_equal(model.first.W + 0.0, before[1]));

  nn::save_safetensors(folder / "none", {{.name = "other", .tensor = zeros({1})}});
  BOOST_TEST(error_text([&] {
               nn::load(model, folder / "none", {.partial = true});
             }).find("\"other\" is not in the model") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(convert_changes_dtypes) {
  const TemporaryFolder folder;
  Whole model({});
  nn::save(model, folder / "f32");
  Whole twin({});
  twin.to(f64);
  BOOST_TEST(error_text([&] {
               nn::load(twin, folder / "f32");
             }).find("scale is f64 [] in the model and f32 [] in the file, ") != std::string::npos);
  nn::load(twin, folder / "f32", {.convert = true});
  BOOST_TEST((twin.first.W.dtype() == f64));
  BOOST_TEST(all_equal(detach(twin.first.W), detach(model.first.W).to(f64)));
  nn::save(twin, folder / "f64");
  Whole third({});
  nn::load(third, folder / "f64", {.convert = true});
  BOOST_TEST(same(values(third), values(model)));
}

BOOST_AUTO_TEST_CASE(prefix_names_a_part) {
  const TemporaryFolder folder;
  const Whole model({});
  nn::save(model, folder / "whole");
  Part part({.size = 4});
  nn::load(part, folder / "whole", {.prefix = "second."});
  BOOST_TEST(all_equal(part.W + 0.0, model.second.W + 0.0));
  Whole other({});
  nn::save(other.first, folder / "part");
  Whole target({});
  nn::load(target.first, folder / "part");
  BOOST_TEST(same(values(target.first), values(other.first)));
  BOOST_TEST(error_text([&] {
               nn::load(part, folder / "whole", {.prefix = "nobody."});
             }).find("W is missing in the file, b is missing") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_live_tape_notices) {
  const TemporaryFolder folder;
  Part model({});
  nn::save(model, folder / "m");
  Tape tape;
  const Tensor loss = sum(model.W * model.W);
  nn::load(model, folder / "m");
  const std::string text = error_text([&] { static_cast<void>(tape.backward(loss)); });
  BOOST_TEST(text.find("W was changed (load) after this tape read it") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(a_damaged_file_changes_nothing) {
  const TemporaryFolder folder;
  nn::save(Whole({}), folder / "m");
  const std::string good = read_file(folder / "m");
  Whole model({});
  const auto before = values(model);
  for (std::size_t at = 0; at < good.size(); at += 3) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    write_file(folder / "bad", bad);
    if (error_text([&] { nn::load(model, folder / "bad"); }).empty())
      BOOST_TEST(false, "byte " << at);
    write_file(folder / "bad", good.substr(0, at));
    if (error_text([&] { nn::load(model, folder / "bad"); }).empty())
      BOOST_TEST(false, "cut at " << at);
  }
  BOOST_TEST(same(values(model), before));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(save)

BOOST_AUTO_TEST_CASE(a_failed_write_leaves_the_old_file) {
  const TemporaryFolder folder;
  const nn::NamedTensor small{.name = "a", .tensor = tensor({1.0, 2.0})};
  nn::save_safetensors(folder / "m", {small});
  const std::string before = read_file(folder / "m");
  for (const rlim_t limit : {0U, 1U, 100U, 5000U, 30'000U}) {
    const FileSizeLimit full(limit);
    BOOST_TEST(error_text([&] {
                 nn::save_safetensors(folder / "m", {{.name = "a", .tensor = zeros({10'000})}});
               }) == "[save] \"" + folder / "m" +
                         "\": File too large (write); needed a path that can be written; what was "
                         "there is as it was");
  }
  BOOST_TEST(read_file(folder / "m") == before);
  BOOST_TEST(folder.files() == 1);
}

BOOST_AUTO_TEST_CASE(a_killed_writer_leaves_the_old_file) {
  const TemporaryFolder folder;
  const Tensor old = tensor({1.0, 2.0});
  const Tensor next = uniform({10'000}, 0, 1);
  nn::save_safetensors(folder / "m", {{.name = "a", .tensor = old}});
  int killed = 0;
  for (rlim_t limit = 0; limit < 44'000; limit += 2200) {
    const pid_t child = ::fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
      const rlimit none{.rlim_cur = 0, .rlim_max = 0};
      const rlimit most{.rlim_cur = limit, .rlim_max = limit};
      ::setrlimit(RLIMIT_CORE, &none);
      ::setrlimit(RLIMIT_FSIZE, &most);
      std::signal(SIGXFSZ, SIG_DFL);  // a longer file kills
      nn::save_safetensors(folder / "m", {{.name = "a", .tensor = next}});
      ::_exit(0);
    }
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    const Tensor found = nn::Safetensors::open(folder / "m")["a"];
    const bool finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    killed += finished ? 0 : 1;
    BOOST_TEST(all_equal(found, finished ? next : old), "limit " << limit);
    BOOST_TEST(folder.files() ==
               (finished ? 1 : 2));  // one .part at most, gone with the next one that ends well
    nn::save_safetensors(folder / "m", {{.name = "a", .tensor = old}});
    BOOST_TEST(folder.files() == 1);
  }
  BOOST_TEST(killed >= 15);
  BOOST_TEST(killed < 20);
}

BOOST_AUTO_TEST_CASE(keeps_the_mode) {
  const TemporaryFolder folder;
  const std::vector<nn::NamedTensor> some = {{.name = "a", .tensor = tensor({1})}};
  const mode_t mask = ::umask(027);
  nn::save_safetensors(folder / "new", some);
  ::umask(mask);
  BOOST_TEST(mode_of(folder / "new") == 0640U);
  ::chmod((folder / "new").c_str(), 0604);
  nn::save_safetensors(folder / "new", some);
  BOOST_TEST(mode_of(folder / "new") == 0604U);
  write_file(folder / "left.part", "what a killed writer left");
  ::chmod((folder / "left.part").c_str(), 0600);
  nn::save_safetensors(folder / "left", some);
  BOOST_TEST((mode_of(folder / "left") & 0044U) == (0666U & ~mask & 0044U));
  BOOST_TEST(!std::filesystem::exists(folder / "left.part"));
}

BOOST_AUTO_TEST_CASE(follows_a_link) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "elsewhere");
  write_file(folder / "elsewhere/real", "old");
  std::filesystem::create_symlink("elsewhere/real", folder / "link");
  nn::save_safetensors(folder / "link", {{.name = "a", .tensor = tensor({5})}});
  BOOST_TEST(std::filesystem::is_symlink(folder / "link"));
  BOOST_TEST(nn::Safetensors::open(folder / "elsewhere/real")["a"].item<Index>() == 5);
}

BOOST_AUTO_TEST_CASE(a_second_writer_is_told) {
  const TemporaryFolder folder;
  const std::vector<nn::NamedTensor> some = {{.name = "a", .tensor = tensor({1})}};
  const int other = ::open((folder / "m.part").c_str(), O_WRONLY | O_CREAT, 0600);
  BOOST_REQUIRE(other >= 0);
  BOOST_REQUIRE(::flock(other, LOCK_EX) == 0);
  BOOST_TEST(error_text([&] { nn::save_safetensors(folder / "m", some); }) ==
             "[save] \"" + folder / "m" +
                 "\" is being written by someone else; needed one writer at a time");
  BOOST_TEST(!std::filesystem::exists(folder / "m"));
  BOOST_TEST(std::filesystem::exists(folder / "m.part"));
  ::close(other);
  nn::save_safetensors(folder / "m", some);
  BOOST_TEST(folder.files() == 1);
}

BOOST_AUTO_TEST_CASE(a_reader_keeps_the_file_it_opened) {
  const TemporaryFolder folder;
  nn::save_safetensors(folder / "m", {{.name = "a", .tensor = tensor({1})}});
  const auto file = nn::Safetensors::open(folder / "m");
  nn::save_safetensors(folder / "m", {{.name = "a", .tensor = tensor({2})}});
  BOOST_TEST(file["a"].item<Index>() == 1);
  BOOST_TEST(nn::Safetensors::open(folder / "m")["a"].item<Index>() == 2);
}

BOOST_AUTO_TEST_CASE(paths_that_cannot_be_written) {
  const TemporaryFolder folder;
  const std::vector<nn::NamedTensor> some = {{.name = "a", .tensor = tensor({1})}};
  const std::string needed = "; needed a path that can be written; what was there is as it was";
  BOOST_TEST(error_text([&] { nn::save_safetensors(folder.path(), some); }) ==
             "[save] \"" + folder.path() + "\": Is a directory (open)" + needed);
  BOOST_TEST(error_text([&] { nn::save_safetensors(folder / "no/m", some); }) ==
             "[save] \"" + folder / "no/m" + "\": No such file or directory (open)" + needed);
  BOOST_TEST(error_text([&] { nn::save_safetensors("", some); }) ==
             "[save] \"\": Invalid argument (open)" + needed);
  BOOST_REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  BOOST_TEST(error_text([&] { nn::save_safetensors(folder / "pipe", some); }) ==
             "[save] \"" + folder / "pipe" +
                 "\" is no regular file; needed a path that can be replaced");
  BOOST_TEST(std::filesystem::is_fifo(folder / "pipe"));
  BOOST_TEST(folder.files() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
