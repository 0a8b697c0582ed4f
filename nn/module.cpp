#include <unroll/autograd/detail/user_code.h>
#include <unroll/autograd/tape.h>
#include <unroll/nn/module.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <typeinfo>
#include <vector>

#include <cxxabi.h>

namespace unroll::nn {
namespace {

// A type as a person would name it: without namespaces and what surrounds a local class,
// "List<Net>" of unroll::nn::List<(anonymous namespace)::Net>.
std::string without_scopes(std::string_view name) {
  std::string text;
  std::vector<std::size_t> words{0};  // where names begin, the innermost last
  for (std::size_t i = 0; i < name.size(); ++i) {
    // Of an anonymous namespace, or the arguments of a function around a local class.
    if (name[i] == '(') {
      for (int depth = 0; i < name.size(); ++i) {
        depth += name[i] == '(' ? 1 : name[i] == ')' ? -1 : 0;
        if (depth == 0) break;
      }
    } else if (name.substr(i, 2) == "::") {
      text.resize(words.back());
      ++i;
    } else if (name[i] == '<') {
      text += name[i];
      words.push_back(text.size());
    } else if (name[i] == ',') {
      text += name[i];
      words.back() = text.size();
    } else if (name[i] == '>') {
      text += name[i];
      if (words.size() > 1) words.pop_back();
    } else if (name[i] != ' ') {
      text += name[i];
    }
  }
  return text;
}

// "CharModel" of unroll::nn::Child<CharModel>; what a person wrote.
std::string type_name(const Module& module) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(typeid(module).name(), nullptr, nullptr, &status), std::free);
  const std::string name = without_scopes(status == 0 ? text.get() : typeid(module).name());
  constexpr std::string_view child = "Child<";
  return name.starts_with(child) ? name.substr(child.size(), name.size() - child.size() - 1) : name;
}

std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

}  // namespace

Module::~Module() {
  if (parent_ != nullptr) std::erase(parent_->children_, this);
  for (Module* child : children_) child->parent_ = nullptr;
}

std::string Module::path() const {
  return parent_ == nullptr ? name_ : joined(parent_->path(), name_);
}

void Module::check_name(const std::string& name) const {
  const auto complain = [&](const std::string& given, const char* needed, const char* hint) {
    fail_nowhere("module", {.given = given, .needed = needed, .hint = hint});
  };
  if (name.empty())
    complain("an empty name in " + type_name(*this), "a name",
             "nn::Child<nn::Linear> head{*this, \"head\", …}");
  if (name.find('.') != std::string::npos)
    complain("name \"" + name + "\" has a dot", "a name without one",
             "paths are made of names joined by dots");
  const bool taken = std::any_of(children_.begin(), children_.end(),
                                 [&](const Module* m) { return m->name_ == name; }) ||
                     std::any_of(parameters_.begin(), parameters_.end(),
                                 [&](const Parameter* p) { return p->name() == name; });
  if (taken)
    complain("name \"" + name + "\" is taken in " + type_name(*this), "a name of its own",
             "two children of one parent may not share a name");
}

void Module::adopt(Module& child, std::string name) {
  check_name(name);
  if (child.parent_ != nullptr || &child == this)
    fail_nowhere("module",
                 {.given = type_name(child) + " as \"" + name + "\" in " + type_name(*this) +
                           (&child == this ? " is that module itself"
                                           : " is a part of another module, or of this"),
                  .needed = "a module of its own",
                  .hint = "to share a module, keep a reference to it"});
  child.parent_ = this;
  child.name_ = std::move(name);
  children_.push_back(&child);
}

void Module::adopt(Parameter& parameter, const std::string& name) {
  check_name(name);
  parameters_.push_back(&parameter);
}

ParameterList Module::parameters() const {
  ParameterList list;
  collect({}, list);
  return list;
}

void Module::collect(const std::string& prefix, ParameterList& to) const {
  for (const Parameter* p : parameters_) to.add(joined(prefix, p->name()), *p);
  for (const Module* child : children_) child->collect(joined(prefix, child->name_), to);
}

void Module::set_frozen(bool frozen) {
  for (Parameter* p : parameters_) frozen ? p->freeze() : p->unfreeze();
  for (Module* child : children_) child->set_frozen(frozen);
}

void Module::set_quiet(bool quiet) {
  quiet_ = quiet;
  for (Module* child : children_) child->set_quiet(quiet);
}

bool Module::is_training() const { return !quiet_ && unroll::is_training(); }

void Module::to(DType dtype) {
  if (!is_floating(dtype))
    fail_nowhere("module", {.given = "to(i64)", .needed = "f32 or f64", .hint = {}});
  for (Parameter* p : parameters_) p->change_dtype(dtype);
  for (Module* child : children_) child->to(dtype);
}

DType Module::dtype() const {
  const Parameter* first = first_parameter();
  return first != nullptr ? first->dtype() : f32;
}

const Parameter* Module::first_parameter() const {
  if (!parameters_.empty()) return parameters_.front();
  for (const Module* child : children_)
    if (const Parameter* first = child->first_parameter()) return first;
  return nullptr;
}

HookHandle Module::on_forward(ForwardHook hook) {
  if (forward_hooks_ == nullptr)
    forward_hooks_ = std::make_shared<unroll::detail::HookList<ForwardHook>>();
  const Index id = forward_hooks_->add(std::move(hook));
  return {forward_hooks_, id};
}

void Module::run_forward_hooks(std::span<Tensor> outputs) const {
  const auto hooks = forward_hooks_;
  const std::vector<Tensor> before(outputs.begin(), outputs.end());
  hooks->for_each([&](const ForwardHook& hook) {
    const unroll::detail::UserCode user;
    hook(*this, outputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const Tensor& old = before[i];
      const Tensor& now = outputs[i];
      if (now.defined() == old.defined() &&
          (!now.defined() || (now.shape() == old.shape() && now.dtype() == old.dtype())))
        continue;
      fail("on_forward",
           {.given = "a hook on " + type_name(*this) + " replaced output " + std::to_string(i) +
                     " " + unroll::describe(old) + " by " + unroll::describe(now),
            .needed = "the same shape and dtype",
            .hint = "a hook that only looks changes nothing"});
    }
  });
}

std::string Module::describe() const {
  std::string text =
      type_name(*this) + "  " + std::to_string(parameters().elements()) + " parameters\n";
  describe("  ", text);
  return text;
}

void Module::describe(const std::string& indent, std::string& to) const {
  for (const Parameter* p : parameters_)
    to += indent + p->name() + "  " + unroll::describe(*p) + (p->is_frozen() ? "  frozen" : "") +
          "\n";
  for (const Module* child : children_) {
    to += indent + child->name_ + "  " + type_name(*child) + "  " +
          std::to_string(child->parameters().elements()) + " parameters\n";
    child->describe(indent + "  ", to);
  }
}

Parameter::Parameter(Module& owner, std::string name, const Shape& shape, const init::Init& init)
    : owner_(owner), name_(std::move(name)), info_(std::make_shared<unroll::detail::LeafInfo>()) {
  info_->owner = this;
  info_->path_of = [](const void* self) { return static_cast<const Parameter*>(self)->path(); };
  info_->changed_by = "initialisation";
  static_cast<Tensor&>(*this) = unroll::detail::make_leaf(shape, f32, info_);
  unroll::detail::overwrite(*this, init(shape, f32, default_rng()), "initialisation");
  owner.adopt(*this, name_);
}

Parameter::~Parameter() {
  try {
    info_->last_path = path();
  } catch (const std::bad_alloc&) {
    info_->last_path.clear();  // nameless in errors, if anybody still holds it
  }
  info_->owner = nullptr;
  std::erase(owner_.parameters_, this);
}

std::string Parameter::path() const { return joined(owner_.path(), name_); }

void Parameter::freeze() { header()->flags |= unroll::detail::Header::frozen; }

void Parameter::unfreeze() {
  header()->flags = static_cast<std::uint8_t>(header()->flags & ~unroll::detail::Header::frozen);
}

void Parameter::assign(const Tensor& values) {
  unroll::detail::require_defined("assign", "values", values);
  unroll::detail::overwrite(*this, values, "assignment");
}

void Parameter::change_dtype(DType wanted) {
  if (dtype() == wanted) return;
  const bool frozen = is_frozen();
  Tensor changed = unroll::detail::make_leaf(shape(), wanted, info_);
  unroll::detail::overwrite(changed, unroll::detach(*this).to(wanted), "change of dtype");
  unroll::detail::mark_changed(*this, "change of dtype");  // for tapes that read what was here
  static_cast<Tensor&>(*this) = changed;
  if (frozen) freeze();
}

void copy_values(const Module& from, Module& to) {
  const ParameterList source = from.parameters();
  const ParameterList target = to.parameters();
  const auto find = [](const ParameterList& list, const std::string& path) -> const Tensor* {
    const auto found =
        std::find_if(list.begin(), list.end(), [&](const auto& e) { return e.path == path; });
    return found == list.end() ? nullptr : &found->tensor;
  };
  const auto complain = [](const std::string& what, const std::string& against) {
    fail_nowhere("copy_values", {.given = what + " against " + against,
                                 .needed = "two models of equal paths, shapes and dtypes",
                                 .hint = "Model twin(model.options)"});
  };
  constexpr const char* nothing = "nothing of that path";
  std::vector<const Tensor*> values;
  for (const auto& [path, tensor] : target) {
    const Tensor* given = find(source, path);
    if (given == nullptr || given->shape() != tensor.shape() || given->dtype() != tensor.dtype())
      complain(path + " " + unroll::describe(tensor),
               given == nullptr ? nothing : unroll::describe(*given));
    values.push_back(given);
  }
  for (const auto& [path, tensor] : source)
    if (find(target, path) == nullptr) complain(nothing, path + " " + unroll::describe(tensor));
  std::size_t i = 0;
  for (const auto& entry : target)
    unroll::detail::overwrite(entry.tensor, *values[i++], "copy_values");
}

namespace detail {

std::size_t checked_position(const char* what, Index position, Index count) {
  if (position < 0 || position >= count)
    fail_nowhere("module", {.given = std::string(what) + " " + std::to_string(position) + " of " +
                                     std::to_string(count),
                            .needed = "0 … " + std::to_string(count - 1),
                            .hint = {}});
  return static_cast<std::size_t>(position);
}

}  // namespace detail

void require_size(const char* operation, const char* name, Index value, const char* hint) {
  if (value <= 0)
    fail_nowhere(operation, {.given = std::string(name) + " is " + std::to_string(value),
                             .needed = std::string(name) + " > 0",
                             .hint = hint});
}

}  // namespace unroll::nn
