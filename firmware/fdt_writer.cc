#include "firmware/fdt_writer.h"

#include <libfdt.h>

#include <charconv>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/concat.h"

namespace ember::firmware {
namespace {

constexpr size_t kFirstBufferBytes = 4096;
// Larger trees than this do not come from us.
constexpr size_t kMaxBufferBytes = size_t{16} << 20;

template <typename T>
void AppendBigEndian(std::vector<std::byte>& out, T value) {
  for (size_t i = sizeof(T); i-- > 0;) {
    out.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
  }
}

}  // namespace

template <typename Step>
void FdtWriter::Write(const Step& step) {
  while (error_ == 0) {
    const int result = step();
    if (result >= 0) return;
    if (result != -FDT_ERR_NOSPACE || buffer_.size() >= kMaxBufferBytes) {
      error_ = result;
      return;
    }
    std::vector<std::byte> larger(2 * buffer_.size());
    error_ = fdt_resize(buffer_.data(), larger.data(), static_cast<int>(larger.size()));
    if (error_ == 0) buffer_ = std::move(larger);
  }
}

FdtWriter::FdtWriter() : buffer_(kFirstBufferBytes) {
  error_ = fdt_create(buffer_.data(), static_cast<int>(buffer_.size()));
  Write([this] { return fdt_finish_reservemap(buffer_.data()); });
}

void FdtWriter::BeginNode(const std::string& name) {
  ++open_nodes_;
  Write([&] { return fdt_begin_node(buffer_.data(), name.c_str()); });
}

void FdtWriter::EndNode() {
  EMBER_CHECK(open_nodes_ > 0);
  --open_nodes_;
  Write([this] { return fdt_end_node(buffer_.data()); });
}

void FdtWriter::Property(const char* name, const void* value, size_t size_bytes) {
  EMBER_CHECK(size_bytes <= static_cast<size_t>(std::numeric_limits<int>::max()));
  Write([&] { return fdt_property(buffer_.data(), name, value, static_cast<int>(size_bytes)); });
}

void FdtWriter::Flag(const char* name) { Property(name, nullptr, 0); }

void FdtWriter::String(const char* name, const std::string& value) {
  Property(name, value.c_str(), value.size() + 1);
}

void FdtWriter::Cells(const char* name, std::initializer_list<uint32_t> values) {
  std::vector<std::byte> bytes;
  for (const uint32_t value : values) AppendBigEndian(bytes, value);
  Property(name, bytes.data(), bytes.size());
}

void FdtWriter::Cells64(const char* name, std::initializer_list<uint64_t> values) {
  std::vector<std::byte> bytes;
  for (const uint64_t value : values) AppendBigEndian(bytes, value);
  Property(name, bytes.data(), bytes.size());
}

Result<std::vector<std::byte>> FdtWriter::Finish() && {
  EMBER_CHECK(open_nodes_ == 0);
  Write([this] { return fdt_finish(buffer_.data()); });
  if (error_ != 0) return Error(Concat("device tree: ", std::string_view(fdt_strerror(error_))));
  const void* const tree = buffer_.data();  // what libfdt's macro can cast
  buffer_.resize(fdt_totalsize(tree));
  return std::move(buffer_);
}

std::string NodeName(std::string_view name, uint64_t unit_address) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof(digits), unit_address, 16);
  return Concat(name, "@", std::string_view(digits, static_cast<size_t>(end.ptr - digits)));
}

}  // namespace ember::firmware
