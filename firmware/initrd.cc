#include "firmware/initrd.h"

#include "base/concat.h"

namespace ember::firmware {
namespace {

// Of x86-64 and the smallest of aarch64: that the guest frees the initrd's pages as a whole.
constexpr uint64_t kAlignmentBytes = 4096;

}  // namespace

Result<GuestRange> LoadInitrd(const GuestMemory& memory, const ImageFile& file,
                              const GuestRange& room) {
  const uint64_t size_bytes = file.size_bytes();
  if (size_bytes == 0) return file.Wrong("the initrd is empty");
  const uint64_t end = ToInteger(room.end());
  const uint64_t start = size_bytes > end ? 0 : (end - size_bytes) & ~(kAlignmentBytes - 1);
  if (size_bytes > room.size_bytes || start < ToInteger(room.start)) {
    return file.Wrong(Concat("the initrd of ", size_bytes, " bytes does not fit into the ",
                             room.size_bytes, " bytes from the kernel's end at ", room.start,
                             " to ", room.end()));
  }
  TRY(file.Load(memory, GuestAddress{start}, 0, size_bytes));
  return GuestRange{GuestAddress{start}, size_bytes};
}

}  // namespace ember::firmware
