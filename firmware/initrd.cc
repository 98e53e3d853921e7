#include "firmware/initrd.h"

#include "base/concat.h"

namespace ember::firmware {
namespace {

// Of x86-64 and the smallest of aarch64: that the guest frees the initrd's pages as a whole.
constexpr uint64_t kAlignmentBytes = 4096;

}  // namespace

Result<GuestRange> LoadInitrd(const GuestMemory& memory, const ImageFile& file,
                              GuestAddress kernel_end, const InitrdLimit& limit) {
  const uint64_t size_bytes = file.size_bytes();
  if (size_bytes == 0) return file.Wrong("the initrd is empty");
  const uint64_t end = ToInteger(limit.end);
  const uint64_t start = size_bytes > end ? 0 : (end - size_bytes) & ~(kAlignmentBytes - 1);
  if (size_bytes > end || start < ToInteger(kernel_end)) {
    return file.Wrong(Concat("the initrd of ", size_bytes,
                             " bytes does not fit between the kernel's end at ", kernel_end,
                             " and ", limit.name, " at ", limit.end));
  }
  TRY(file.Load(memory, GuestAddress{start}, 0, size_bytes));
  return GuestRange{GuestAddress{start}, size_bytes};
}

}  // namespace ember::firmware
