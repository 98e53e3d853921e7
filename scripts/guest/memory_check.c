// memory_check PERCENT STRIDE_KIB [SEED [FIFO]]: takes PERCENT of the memory available, writes a value
// of its own (with another SEED, another) into one word every STRIDE_KIB, waits until somebody opens FIFO
// to write, if one is named, reads all of them back, and prints
//   EMBER-MEMCHECK ok bytes=<n> words=<n> pages_above_4gib=<n> highest=<physical address>
// or "EMBER-MEMCHECK failed …". That all is written it says with "EMBER-MEMCHECK written", where it
// waits. Where the pages are comes from /proc/self/pagemap.
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint64_t kPage = 4096;
static const uint64_t kFourGib = 1ull << 32;

static uint64_t available_bytes(void) {
  FILE* file = fopen("/proc/meminfo", "r");
  if (file == NULL) return 0;
  char line[128];
  uint64_t kib = 0;
  while (fgets(line, sizeof(line), file) != NULL) {
    if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1) break;
  }
  fclose(file);
  return kib * 1024;
}

// Differs for every word, and from what a word's neighbours or a shifted mapping would hold.
static uint64_t expected(uint64_t offset, uint64_t seed) {
  return (offset + 1 + (seed << 40)) * 0x9e3779b97f4a7c15ull;
}

static void fill(unsigned char* memory, uint64_t size, uint64_t stride, uint64_t seed) {
  for (uint64_t offset = 0; offset < size; offset += stride) {
    *(volatile uint64_t*)(memory + offset) = expected(offset, seed);
  }
}

static int holds(const unsigned char* memory, uint64_t size, uint64_t stride, uint64_t seed) {
  for (uint64_t offset = 0; offset < size; offset += stride) {
    uint64_t found = *(const volatile uint64_t*)(memory + offset);
    if (found == expected(offset, seed)) continue;
    printf("EMBER-MEMCHECK failed: offset=0x%" PRIx64 " found=0x%" PRIx64 " expected=0x%" PRIx64 "\n",
           offset, found, expected(offset, seed));
    return 0;
  }
  return 1;
}

static int wait_for(const char* fifo) {
  puts("EMBER-MEMCHECK written");
  fflush(stdout);
  int fd = open(fifo, O_RDONLY);
  if (fd < 0) perror("EMBER-MEMCHECK failed: open");
  return fd >= 0;
}

static void report_places(const unsigned char* memory, uint64_t size, uint64_t stride) {
  uint64_t above = 0, highest = 0;
  int fd = open("/proc/self/pagemap", O_RDONLY);
  for (uint64_t offset = 0; fd >= 0 && offset < size; offset += stride) {
    uint64_t entry = 0;
    off_t at = (off_t)(((uintptr_t)memory + offset) / kPage * sizeof(entry));
    if (pread(fd, &entry, sizeof(entry), at) != sizeof(entry)) break;
    uint64_t physical = (entry & ((1ull << 55) - 1)) * kPage;
    if (physical >= kFourGib) ++above;
    if (physical > highest) highest = physical;
  }
  printf("EMBER-MEMCHECK ok bytes=%" PRIu64 " words=%" PRIu64 " pages_above_4gib=%" PRIu64
         " highest=0x%" PRIx64 "\n",
         size, (size + stride - 1) / stride, above, highest);
}

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5) {
    fprintf(stderr, "usage: memory_check PERCENT STRIDE_KIB [SEED [FIFO]]\n");
    return 2;
  }
  uint64_t size = available_bytes() / 100 * strtoull(argv[1], NULL, 0) / kPage * kPage;
  uint64_t stride = strtoull(argv[2], NULL, 0) * 1024;
  uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
  if (size == 0 || stride == 0) {
    puts("EMBER-MEMCHECK failed: no memory to check, or a stride of 0");
    return 1;
  }
  unsigned char* memory =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    perror("EMBER-MEMCHECK failed: mmap");
    return 1;
  }
  // Huge pages make one fault of 512; where the kernel has none the check is the same, but slower.
  madvise(memory, size, MADV_HUGEPAGE);
  fill(memory, size, stride, seed);
  if (argc > 4 && !wait_for(argv[4])) return 1;
  if (!holds(memory, size, stride, seed)) return 1;
  report_places(memory, size, stride);
  return 0;
}
