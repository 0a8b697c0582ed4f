#pragma once

#include <unroll/autograd/tensor.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// Tensors in a file, in the safetensors layout that other frameworks read and write: the length of
// the header in 8 bytes, a header in JSON with name, dtype, shape and place of each tensor, then
// their elements.
namespace unroll::nn {

using Metadata = std::map<std::string, std::string>;

// A file open for reading. Copies share it; any number of threads may read. Data is read when a
// tensor is asked for, so what is not needed takes no memory.
class Safetensors {
 public:
  // Throws unless the whole file is sound: a header within the file, of the format, every name
  // once, at most 8 axes, data without holes or overlap up to the end, and, in files that
  // save_safetensors wrote, the checksum of all bytes. The message names file, tensor and byte.
  static Safetensors open(const std::string& path);

  // A copy of a tensor in its own dtype. Throws where there is none of that name, or it is not F32,
  // F64 or I64.
  Tensor operator[](std::string_view name) const;

  Index size() const;                      // tensors
  std::vector<std::string> names() const;  // in the order of their data
  bool contains(std::string_view name) const;
  Shape shape(std::string_view name) const;
  DType dtype(std::string_view name) const;  // throws as operator[]
  const Metadata& metadata() const;          // as it was given to save_safetensors
  const std::string& path() const;

 private:
  struct Contents;
  explicit Safetensors(std::shared_ptr<const Contents> contents) : contents_(std::move(contents)) {}

  std::shared_ptr<const Contents> contents_;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// Writes tensors of any dtype, shape and strides. The file is there as a whole or not at all: what
// was at `path` stays until the new one is on disk, and stays for good where writing throws. A
// checksum goes into the metadata as "unroll.crc32" (of the whole file, with zeros in its own
// place), beside "unroll.format". Throws for names that are not UTF-8 or come twice.
void save_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                      const Metadata& metadata = {});

}  // namespace unroll::nn
