#include "memory/backing.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "base/concat.h"

namespace ember {
namespace {

constexpr unsigned kHugePagesFlags = MFD_HUGETLB | MFD_HUGE_2MB;

uint64_t SumOfSizes(std::span<const GuestRange> ranges) {
  uint64_t sum = 0;
  for (const GuestRange& range : ranges) sum += range.size_bytes;
  return sum;
}

// Guest RAM in a core dump would be large, and it is the guest's.
void KeepOutOfDumps(const Mapping& mapping) {
  ::madvise(mapping.data(), mapping.size(), MADV_DONTDUMP);
}

Result<MemoryHost> AllocateAnonymous(std::span<const GuestRange> ranges, MemoryBacking backing) {
  MemoryHost host;
  for (const GuestRange& range : ranges) {
    // At a multiple of 2 MiB, so that the host can put huge pages under it where it is told to.
    Mapping mapping = TRY_CONTEXT(Mapping::AnonymousAligned(range.size_bytes, kHugePageBytes),
                                  Concat("guest memory at ", range.start));
    KeepOutOfDumps(mapping);
    // A wish: a host without them gives small pages.
    if (backing == MemoryBacking::kTransparentHuge) {
      ::madvise(mapping.data(), mapping.size(), MADV_HUGEPAGE);
    }
    host.mappings.push_back(std::move(mapping));
  }
  return host;
}

struct MemfdOptions {
  unsigned extra_flags = 0;  // of memfd_create()
  unsigned extra_seals = F_SEAL_SEAL;
  Mapping::Reserve reserve = Mapping::Reserve::kAll;
};

Result<Fd> CreateMemfd(uint64_t size_bytes, const MemfdOptions& options) {
  Fd memfd(::memfd_create("guest-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING | options.extra_flags));
  if (!memfd.valid()) return Error::FromErrno("memfd_create");
  if (size_bytes > uint64_t{std::numeric_limits<off_t>::max()}) {
    return Error::FromErrorNumber(Concat("memfd of ", size_bytes, " bytes"), EFBIG);
  }
  if (::ftruncate(memfd.get(), static_cast<off_t>(size_bytes)) < 0) {
    return Error::FromErrno(Concat("memfd of ", size_bytes, " bytes"));
  }
  // A process the file is shared with could otherwise shrink it, and our next access would fault.
  TRY(AddSeals(memfd, F_SEAL_SHRINK | F_SEAL_GROW | options.extra_seals));
  return memfd;
}

Result<MemoryHost> AllocateMemfd(std::span<const GuestRange> ranges, const MemfdOptions& options) {
  MemoryHost host;
  host.memfd = TRY(CreateMemfd(SumOfSizes(ranges), options));
  uint64_t offset_bytes = 0;
  for (const GuestRange& range : ranges) {
    Mapping mapping = TRY_CONTEXT(Mapping::File(host.memfd, {.offset_bytes = offset_bytes,
                                                             .size_bytes = range.size_bytes,
                                                             .access = Access::kReadWrite,
                                                             .sharing = Mapping::Sharing::kShared,
                                                             .reserve = options.reserve}),
                                  Concat("guest memory at ", range.start));
    KeepOutOfDumps(mapping);
    host.mappings.push_back(std::move(mapping));
    offset_bytes += range.size_bytes;
  }
  return host;
}

// One of the kernel's counts of 2 MiB pages as text, for a message.
std::string HugePageCount(std::string_view name) {
  std::array<std::byte, 32> bytes;
  const Result<Fd> file =
      OpenFile(Concat("/sys/kernel/mm/hugepages/hugepages-2048kB/", name), Access::kReadOnly);
  if (!file) return "no";
  const Result<size_t> size = ReadAt(*file, 0, bytes);
  if (!size) return "no";
  std::string text;
  for (const std::byte byte : std::span(bytes).first(*size)) {
    const char letter = static_cast<char>(byte);
    if (letter >= '0' && letter <= '9') text += letter;
  }
  return text;
}

Result<MemoryHost> AllocateHugePages(std::span<const GuestRange> ranges) {
  // mmap() of a shared hugetlbfs file reserves its pages: a shortage shows here, not as SIGBUS when
  // the guest runs.
  Result<MemoryHost> host = AllocateMemfd(ranges, {.extra_flags = kHugePagesFlags});
  if (host) return host;
  return std::move(host).error().WithContext(
      Concat("guest memory needs ", SumOfSizes(ranges) / kHugePageBytes,
             " huge pages of 2 MiB; the host has ", HugePageCount("free_hugepages"), " free of ",
             HugePageCount("nr_hugepages"), ", ", HugePageCount("resv_hugepages"), " reserved"));
}

}  // namespace

Result<MemoryHost> AllocateHostMemory(std::span<const GuestRange> ranges, MemoryBacking backing) {
  switch (backing) {
    case MemoryBacking::kAnonymous:
    case MemoryBacking::kTransparentHuge:
      return AllocateAnonymous(ranges, backing);
    case MemoryBacking::kMemfd:
      return AllocateMemfd(ranges, {});
    case MemoryBacking::kForkable:
      return AllocateMemfd(ranges, {.extra_seals = 0});
    case MemoryBacking::kHugetlbfs2M:
      return AllocateHugePages(ranges);
  }
  return Error("unknown memory backing");
}

Result<MemoryHost> AllocateSparseMemory(const GuestRange& range, MemoryBacking backing) {
  const std::span<const GuestRange> ranges(&range, 1);
  if (backing != MemoryBacking::kHugetlbfs2M) return AllocateHostMemory(ranges, backing);
  return AllocateMemfd(ranges,
                       {.extra_flags = kHugePagesFlags, .reserve = Mapping::Reserve::kNone});
}

Status DropAnonymousPages(std::byte* host, uint64_t len) {
  if (::madvise(host, len, MADV_DONTNEED) < 0) return Error::FromErrno("madvise");
  return {};
}

// MADV_DONTNEED would leave them in the file; of a hole punched by its descriptor a process that
// delivers pages (memory/user_faults.h) would not be told.
Status DropSharedPages(std::byte* host, uint64_t len) {
  if (::madvise(host, len, MADV_REMOVE) < 0) return Error::FromErrno("madvise");
  return {};
}

Status AllocateFileRange(int memfd, uint64_t offset_bytes, uint64_t len) {
  if (::fallocate(memfd, 0, static_cast<off_t>(offset_bytes), static_cast<off_t>(len)) < 0) {
    return Error::FromErrno(Concat("fallocate of ", len, " bytes"));
  }
  return {};
}

Status AddSeals(const Fd& memfd, unsigned seals) {
  if (::fcntl(memfd.get(), F_ADD_SEALS, seals) < 0) return Error::FromErrno("seal memfd");
  return {};
}

}  // namespace ember
