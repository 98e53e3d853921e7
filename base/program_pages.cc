#include "base/program_pages.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace ember {
namespace {

void Release(uintptr_t begin, uintptr_t end) {
  const auto page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  begin = begin / page_bytes * page_bytes;
  // The linker's number to the kernel's pointer. Nothing is lost where the kernel does not.
  ::madvise(std::bit_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

// The program itself comes first, shared libraries after it.
int ReleaseFirst(dl_phdr_info* object, size_t /*size*/, void* /*argument*/) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    // What is, or has been, written is not the file's any more.
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    Release(begin, begin + segment.p_memsz);
  }
  return 1;
}

}  // namespace

void ReleaseProgramPages() { ::dl_iterate_phdr(ReleaseFirst, nullptr); }

}  // namespace ember
