// An initrd placed between two addresses: 8 bytes for the kernel's end, 8 for the limit, and the
// rest is the file.
#include "firmware/initrd.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/endian.h"
#include "memory/guest_memory.h"
#include "tests/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ember;  // NOLINT(google-build-using-namespace)
  if (size < 16) return 0;
  const auto input = std::as_bytes(std::span(data, size));
  const GuestAddress kernel_end{LoadLe<uint64_t>(input)};
  const GuestAddress limit{LoadLe<uint64_t>(input.subspan(8))};
  const auto contents = input.subspan(16);

  static const std::string path = "initrd";
  const auto memory = GuestMemory::Create({{GuestAddress{0}, 1 << 20}}, {}).value();
  const Fd fd = FileOf(contents);
  const auto file = firmware::ImageFile::Create(path, fd).value();
  const auto range = firmware::LoadInitrd(*memory, file, kernel_end, {limit, "limit"});
  if (!range) {
    EMBER_CHECK(range.error().message().starts_with("initrd: "));
    return 0;
  }
  EMBER_CHECK(range->start >= kernel_end && range->end() <= limit);
  std::vector<std::byte> loaded(contents.size());
  EMBER_CHECK(memory->ReadBytes(range->start, loaded).has_value());
  EMBER_CHECK(std::ranges::equal(loaded, contents));
  return 0;
}
