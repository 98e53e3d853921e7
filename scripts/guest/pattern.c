// pattern SEED BYTES: writes BYTES pseudo-random bytes to stdout, the same for the same seed: the
// outputs of xorshift64 (shifts 13, 7, 17; state SEED), eight little-endian bytes each.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: pattern SEED BYTES\n");
    return 2;
  }
  uint64_t state = strtoull(argv[1], NULL, 0);
  uint64_t left = strtoull(argv[2], NULL, 0);
  if (state == 0) {
    fprintf(stderr, "pattern: the seed must not be 0\n");
    return 2;
  }
  while (left > 0) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    unsigned char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = (unsigned char)(state >> (8 * i));
    size_t count = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
    if (fwrite(bytes, 1, count, stdout) != count) {
      perror("pattern: write");
      return 1;
    }
    left -= count;
  }
  if (fflush(stdout) != 0) {
    perror("pattern: write");
    return 1;
  }
  return 0;
}
