#include <unroll/autograd/graphviz/detail/roomy_thread.h>

#include <exception>

#include <pthread.h>

namespace unroll::graph::detail {
namespace {

struct Task {
  const std::function<void()>& work;
  std::exception_ptr error;
};

void* run(void* argument) {
  Task& task = *static_cast<Task*>(argument);
  try {
    task.work();
  } catch (...) {
    task.error = std::current_exception();
  }
  return nullptr;
}

}  // namespace

void run_with_room(const std::function<void()>& work) {
  Task task{.work = work, .error = nullptr};
  pthread_t thread = {};
  bool started = false;
  // Addresses alone: what is not touched takes no memory.
  for (std::size_t bytes = std::size_t{1} << 30; !started && bytes >= std::size_t{1} << 24;
       bytes /= 4) {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) break;
    started = pthread_attr_setstacksize(&attributes, bytes) == 0 &&
              pthread_create(&thread, &attributes, run, &task) == 0;
    pthread_attr_destroy(&attributes);
  }
  if (started)
    pthread_join(thread, nullptr);
  else
    run(&task);
  if (task.error != nullptr) std::rethrow_exception(task.error);
}

}  // namespace unroll::graph::detail
