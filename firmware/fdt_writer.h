#ifndef EMBER_FIRMWARE_FDT_WRITER_H_
#define EMBER_FIRMWARE_FDT_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "memory/guest_address.h"

namespace ember::firmware {

// Writes a flattened device tree (Devicetree Specification 0.4, 5) node by node:
//
//   FdtWriter tree;
//   tree.BeginNode("");
//   tree.String("compatible", "ember,microvm");
//   tree.EndNode();
//   std::vector<std::byte> bytes = TRY(std::move(tree).Finish());
//
// What goes wrong on the way is kept and comes out of Finish(). The buffer grows as needed. One
// thread.
class FdtWriter {
 public:
  FdtWriter();

  void BeginNode(const std::string& name);
  void EndNode();

  void Flag(const char* name);  // a property without contents
  void String(const char* name, const std::string& value);
  void Cell(const char* name, uint32_t value) { Cells(name, {value}); }
  void Cells(const char* name, std::initializer_list<uint32_t> values);
  void Cells64(const char* name, std::initializer_list<uint64_t> values);  // two cells each
  void Range(const char* name, const GuestRange& range) {
    Cells64(name, {ToInteger(range.start), range.size_bytes});
  }

  // The whole tree; all nodes are ended. The error says what libfdt complained about.
  Result<std::vector<std::byte>> Finish() &&;

 private:
  void Property(const char* name, const void* value, size_t size_bytes);
  // Calls step(), a call of libfdt that writes, and again with a larger buffer while that is all
  // it lacks.
  template <typename Step>
  void Write(const Step& step);

  std::vector<std::byte> buffer_;
  unsigned open_nodes_ = 0;
  int error_ = 0;  // libfdt's first
};

// "name@unit", with the unit address in hexadecimal as nodes have it.
std::string NodeName(std::string_view name, uint64_t unit_address);

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_FDT_WRITER_H_
