// A guest without an operating system that never ends and never trusts its memory: round by round it
// writes a pattern of its own into every page of it, each time into another word, and looks that it is all there. The pattern follows from
// the machine's VMGenID, so that clones write other patterns than their parent does and than each
// other. Says "ok", pattern and round on the serial port; "BAD" where a word was another's. In 32-bit
// protected mode without paging, as the PVH entry leaves it.
#include <stdint.h>

#define GENERATION ((const volatile uint32_t *)0xfe000)
#define FIRST ((volatile uint32_t *)0x800000)
enum { WORDS = (23 << 20) / 4, PAGE = 4096 / 4 };  // of 32 MiB

extern int main(void);
__asm__(".section .start, \"ax\"\n mov $0x600000, %esp\n call main\n1: hlt\n jmp 1b\n.text\n");

static void transmit(char letter) {
  __asm__ volatile("outb %0, %1" ::"a"(letter), "Nd"((uint16_t)0x3f8));
}
static void tell(const char *word, uint32_t pattern, uint32_t round) {
  const uint32_t numbers[2] = {pattern, round};
  while (*word) transmit(*word++);
  for (int i = 0; i < 2; ++i) {
    transmit(' ');
    for (int shift = 28; shift >= 0; shift -= 4) {
      transmit("0123456789abcdef"[numbers[i] >> shift & 15]);
    }
  }
  transmit('\n');
}

int main(void) {
  for (uint32_t round = 1;; ++round) {
    const uint32_t pattern = GENERATION[0] ^ GENERATION[1] ^ GENERATION[2] ^ GENERATION[3];
    for (uint32_t at = round % PAGE; at < WORDS; at += PAGE) FIRST[at] = pattern * (at + 1) + round;
    uint32_t wrong = 0;
    for (uint32_t at = round % PAGE; at < WORDS; at += PAGE) {
      wrong += FIRST[at] != pattern * (at + 1) + round;
    }
    tell(wrong ? "BAD" : "ok", pattern, round);
  }
}
