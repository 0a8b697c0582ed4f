#pragma once

#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/nn/sample.h>
#include <unroll/nn/scope.h>

#include <string>
#include <string_view>

namespace unroll {

namespace detail {

[[noreturn]] void fail_generate(const char* given, const char* needed, const char* hint);

}  // namespace detail

namespace nn {

struct GenerateOptions {
  Index length = 200;  // characters
  double temperature = 1;
  Index top_k = 0;
};

// What a model writes after a prompt, without the prompt. The model is called as model(ids
// i64 [T, 1], state) with a Model::State, empty at first, and answers with .logits [T, 1, V] and
// .state; `text` is a Text or a Vocabulary. Nothing is recorded and no dropout acts, whatever tape
// is alive. Throws for an empty prompt and for characters that the vocabulary lacks.
template <class Model, class Characters>
std::string generate(const Model& model, const Characters& text, std::string_view prompt, Rng& rng,
                     const GenerateOptions& options = {}) {
  if (options.length < 0)
    unroll::detail::fail_generate("length is below 0", "length >= 0", "{.length = 200}");
  if (prompt.empty())
    unroll::detail::fail_generate("an empty prompt", "a character to begin with",
                                  "nn::generate(model, text, \"T\", rng)");
  const unroll::detail::WithoutTape quiet;
  const Tensor start = text.encode(prompt);
  Tensor ids = reshape(start, {start.size(), 1});
  typename Model::State state{};
  std::string written;
  for (Index i = 0; i < options.length; ++i) {
    auto out = model(ids, state);
    const Tensor id = sample(select(out.logits, 0, -1), rng,
                             {.temperature = options.temperature, .top_k = options.top_k});
    written += text.decode(id);
    ids = reshape(id, {1, 1});
    state = std::move(out.state);
  }
  return written;
}

}  // namespace nn
}  // namespace unroll
