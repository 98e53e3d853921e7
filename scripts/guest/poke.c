// poke ADDRESS BYTE: writes one byte to a physical address outside RAM, through /dev/mem.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: poke ADDRESS BYTE\n");
    return 2;
  }
  const uint64_t kPage = 4096;
  uint64_t address = strtoull(argv[1], NULL, 0);
  int fd = open("/dev/mem", O_RDWR | O_SYNC);
  if (fd < 0) {
    perror("poke: /dev/mem");
    return 1;
  }
  volatile uint8_t* page =
      mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(address & ~(kPage - 1)));
  if (page == MAP_FAILED) {
    perror("poke: mmap of /dev/mem");
    return 1;
  }
  page[address & (kPage - 1)] = (uint8_t)strtoul(argv[2], NULL, 0);
  return 0;
}
