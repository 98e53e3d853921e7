// A guest without an operating system that reads a disk: for each letter on the serial port READS
// sectors of 4 KiB, one after the other, and says in how many thousands of cycles. In 32-bit protected
// mode without paging, as the PVH entry leaves it.
#include "../payload/guest_virtio.inc"

enum { READS = 200, BLOCKS = 256, BLOCK_BYTES = 4096, SECTORS_IN_BLOCK = 8 };

static uint64_t cycles(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}

static void read_block(struct device *disk, uint32_t number) {
  uint32_t *const header = (uint32_t *)buffers;
  header[0] = 0;  // VIRTIO_BLK_T_IN
  header[2] = number % BLOCKS * SECTORS_IN_BLOCK;
  set(disk, 0, 0, header, 16, 0);
  set(disk, 0, 1, buffers + BLOCK_BYTES, BLOCK_BYTES, WRITE);
  set(disk, 0, 2, buffers + 64, 1, WRITE);
  buffers[64] = 0xff;
  offer(disk, 0, 0, 3);
  notify(disk, 0);
  while (*(volatile uint16_t *)&disk->queue->used.idx != disk->queue->avail.idx) {
    __asm__ volatile("pause");
  }
  if (buffers[64] != 0) say("BAD\n");
}

int main(void) {
  outb(0x3fc, 3);  // ready to receive
  find_devices();
  struct device *disk = devices;
  while (disk->id != BLOCK) ++disk;
  start(disk, 0);
  say("ready\n");
  for (;;) {
    while (!is_typed()) {
    }
    inb(0x3f8);
    const uint64_t began = cycles();
    for (uint32_t i = 0; i < READS; ++i) read_block(disk, i * 37);
    say_number((uint32_t)((cycles() - began) >> 10));
    say("\n");
  }
}
