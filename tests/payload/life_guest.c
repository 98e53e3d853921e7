// A guest without an operating system that drives every kind of virtio device once: for a life of a
// machine under the system call filters (confinement_test.py). In 32-bit protected mode without
// paging, as the PVH entry leaves it. Says what it has done on the serial port, and waits there for
// a letter: 'g' another round, 'q' reset.
#include <stdint.h>

#define MMIO_FIRST 0xc0001000u
#define MMIO_LAST 0xc0080000u
#define MAGIC 0x74726976u

enum { REG_ID = 0x008, REG_FEATURES_SEL = 0x024, REG_FEATURES = 0x020, REG_QUEUE_SEL = 0x030,
       REG_QUEUE_MAX = 0x034, REG_QUEUE_NUM = 0x038, REG_QUEUE_READY = 0x044, REG_NOTIFY = 0x050,
       REG_INTERRUPT = 0x060, REG_ACK = 0x064, REG_STATUS = 0x070, REG_DESC = 0x080,
       REG_AVAIL = 0x090, REG_USED = 0x0a0, REG_CONFIG = 0x100 };
enum { NET = 1, BLOCK = 2, CONSOLE = 3, RNG = 4, BALLOON = 5, VSOCK = 19, MEM = 24, PMEM = 27 };
enum { QUEUES = 8, ENTRIES = 8, WRITE = 2, NEXT = 1 };

struct desc { uint64_t addr; uint32_t len; uint16_t flags, next; };
struct avail { uint16_t flags, idx, ring[ENTRIES]; };
struct used { uint16_t flags, idx; struct { uint32_t id, len; } ring[ENTRIES]; };
struct queue {
  struct desc desc[ENTRIES] __attribute__((aligned(16)));
  struct avail avail __attribute__((aligned(16)));
  struct used used __attribute__((aligned(16)));
};
struct device { uint32_t base, id; struct queue *queue; };

extern int main(void);
__asm__(".section .start, \"ax\"\n mov $0x600000, %esp\n call main\n1: hlt\n jmp 1b\n.text\n");

// Above the program and its stack.
static uint8_t *const buffers = (uint8_t *)0x700000;
static struct queue *const queues = (struct queue *)0x800000;
static struct device devices[32];
static unsigned device_count;

static inline void outb(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}
static inline uint8_t inb(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static uint32_t get(uint32_t at) { return *(volatile uint32_t *)at; }
static void put(uint32_t at, uint32_t value) { *(volatile uint32_t *)at = value; }
static void clear(void *at, uint32_t len) {
  for (uint8_t *byte = at; len > 0; --len) *byte++ = 0;
}
static void say(const char *text) {
  while (*text) outb(0x3f8, (uint8_t)*text++);
}
static void say_number(uint32_t value) {
  char digits[11];
  unsigned at = 10;
  digits[10] = 0;
  do digits[--at] = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  say(digits + at);
}

static uint32_t wanted_features(uint32_t id) {
  switch (id) {
    case BLOCK: return 1u << 9 | 1u << 13;  // flush, discard
    case CONSOLE: return 1u << 1;           // several ports
    case MEM: return 1u << 1;               // hidden while unplugged
    default: return 0;
  }
}

static void start(struct device *device) {
  put(device->base + REG_STATUS, 0);
  put(device->base + REG_STATUS, 1);
  put(device->base + REG_STATUS, 3);
  put(device->base + 0x014, 0);
  uint32_t features = get(device->base + 0x010) & wanted_features(device->id);
  put(device->base + REG_FEATURES_SEL, 0);
  put(device->base + REG_FEATURES, features);
  put(device->base + REG_FEATURES_SEL, 1);
  put(device->base + REG_FEATURES, 1);  // version 1
  put(device->base + REG_STATUS, 11);
  clear(device->queue, QUEUES * sizeof(struct queue));
  for (uint32_t i = 0; i < QUEUES; ++i) {
    struct queue *queue = &device->queue[i];
    put(device->base + REG_QUEUE_SEL, i);
    if (get(device->base + REG_QUEUE_MAX) < ENTRIES) continue;
    put(device->base + REG_QUEUE_NUM, ENTRIES);
    put(device->base + REG_DESC, (uint32_t)queue->desc);
    put(device->base + REG_DESC + 4, 0);
    put(device->base + REG_AVAIL, (uint32_t)&queue->avail);
    put(device->base + REG_AVAIL + 4, 0);
    put(device->base + REG_USED, (uint32_t)&queue->used);
    put(device->base + REG_USED + 4, 0);
    put(device->base + REG_QUEUE_READY, 1);
  }
  put(device->base + REG_STATUS, 15);
}

// Gives the first `count` descriptors as one chain.
static void give(struct device *device, uint32_t queue_index, unsigned count) {
  struct queue *queue = &device->queue[queue_index];
  for (unsigned i = 0; i + 1 < count; ++i) {
    queue->desc[i].flags |= NEXT;
    queue->desc[i].next = (uint16_t)(i + 1);
  }
  queue->avail.ring[queue->avail.idx % ENTRIES] = 0;
  __sync_synchronize();
  queue->avail.idx++;
  __sync_synchronize();
  put(device->base + REG_NOTIFY, queue_index);
}

static void set(struct device *device, uint32_t queue, unsigned at, void *data, uint32_t len,
                uint16_t flags) {
  device->queue[queue].desc[at] =
      (struct desc){.addr = (uint32_t)data, .len = len, .flags = flags, .next = 0};
}

// Whether what was given came back. Bounded, far beyond what a busy host takes: a device that broke
// says so.
static int done(struct device *device, uint32_t queue_index) {
  struct queue *queue = &device->queue[queue_index];
  for (uint32_t i = 0; i < 2000000; ++i) {
    if (*(volatile uint16_t *)&queue->used.idx == queue->avail.idx) {
      put(device->base + REG_ACK, get(device->base + REG_INTERRUPT));
      return 1;
    }
    inb(0x3fd);  // leaves the guest, so that it does not take the processor from the device
  }
  return 0;
}

static int block(struct device *device) {
  static const struct { uint32_t type, data_len; } requests[] = {{0, 512}, {1, 512}, {4, 0},
                                                                 {11, 16}, {8, 20}};
  int good = 1;
  for (unsigned i = 0; i < 5; ++i) {
    uint32_t *header = (uint32_t *)buffers;
    clear(buffers, 64);
    header[0] = requests[i].type;
    header[2] = requests[i].type < 2;  // the sector
    uint32_t *data = (uint32_t *)(buffers + 4096);
    if (requests[i].type == 11) data[0] = 8, data[1] = 0, data[2] = 8, data[3] = 0;
    buffers[64] = 0xff;
    const int reads = requests[i].type == 0 || requests[i].type == 8;
    unsigned count = 0;
    set(device, 0, count++, header, 16, 0);
    if (requests[i].data_len) set(device, 0, count++, data, requests[i].data_len, reads ? WRITE : 0);
    set(device, 0, count++, buffers + 64, 1, WRITE);
    give(device, 0, count);
    const int answered = done(device, 0);
    const int refused = buffers[64] != 0 && requests[i].type != 11;  // not every disk can discard
    if (!answered || refused) {
      say("request "), say_number(requests[i].type), say(" status "), say_number(buffers[64]), say(" ");
      good = 0;
    }
  }
  return good;
}

static int net(struct device *device) {
  set(device, 0, 0, buffers + 0x2000, 2048, WRITE);
  give(device, 0, 1);
  clear(buffers, 128);
  for (unsigned i = 0; i < 6; ++i) buffers[12 + i] = 0xff;
  set(device, 1, 0, buffers, 12 + 60, 0);
  give(device, 1, 1);
  return done(device, 1) && done(device, 0);  // the peer answers
}

static int rng(struct device *device) {
  set(device, 0, 0, buffers, 64, WRITE);
  give(device, 0, 1);
  return done(device, 0);
}

static int balloon(struct device *device) {
  uint32_t *frames = (uint32_t *)buffers;
  for (unsigned i = 0; i < 256; ++i) frames[i] = 0x1000 + i;  // 16 MiB and up
  int good = 1;
  for (uint32_t queue = 0; queue < 2; ++queue) {
    set(device, queue, 0, frames, 1024, 0);
    give(device, queue, 1);
    good &= done(device, queue);
    put(device->base + REG_CONFIG + 4, queue == 0 ? 256 : 0);
  }
  return good;
}

static int pmem(struct device *device) {
  clear(buffers, 8);
  set(device, 0, 0, buffers, 4, 0);
  set(device, 0, 1, buffers + 4, 4, WRITE);
  give(device, 0, 2);
  return done(device, 0);
}

// A control message: the device or a port is ready, or open.
static int control(struct device *device, uint32_t port, uint16_t event) {
  uint16_t *message = (uint16_t *)buffers;
  message[0] = (uint16_t)port, message[1] = 0, message[2] = event, message[3] = 1;
  set(device, 3, 0, buffers, 8, 0);
  give(device, 3, 1);
  return done(device, 3);
}

static int console(struct device *device) {
  set(device, 2, 0, buffers + 0x100, 256, WRITE);
  give(device, 2, 1);
  int good = control(device, 0xffffffff, 0);
  for (uint32_t port = 0; port < 2; ++port) good &= control(device, port, 3) & control(device, port, 6);
  for (uint32_t queue = 1; queue < 6; queue += 4) {
    buffers[0] = 'h', buffers[1] = 'i', buffers[2] = '\n';
    set(device, queue, 0, buffers, 3, 0);
    give(device, queue, 1);
    good &= done(device, queue);
  }
  return good;
}

static int packet(struct device *device, uint32_t local_port, uint16_t op, uint32_t len) {
  uint32_t *words = (uint32_t *)buffers;
  clear(buffers, 64);
  words[0] = 3;           // from
  words[2] = 2;           // to the host
  words[4] = local_port;
  words[5] = 52;
  words[6] = len;
  ((uint16_t *)buffers)[14] = 1;
  ((uint16_t *)buffers)[15] = op;
  words[8] = op == 4 ? 3 : 0;
  words[9] = 65536;       // our room
  set(device, 1, 0, buffers, 44 + len, 0);
  give(device, 1, 1);
  return done(device, 1);
}

static int vsock(struct device *device, uint32_t round) {
  set(device, 0, 0, buffers + 0x3000, 4096, WRITE);
  give(device, 0, 1);
  if (!packet(device, 1000 + round, 1, 0) || !done(device, 0)) return 0;  // the host accepts
  return packet(device, 1000 + round, 5, 8) && packet(device, 1000 + round, 4, 0);
}

static int mem(struct device *device) {
  const uint32_t block_bytes = get(device->base + REG_CONFIG);
  const uint32_t requested = get(device->base + REG_CONFIG + 48);
  if (requested == 0) return 1;
  int good = 1;
  for (uint16_t type = 0; type < 2; ++type) {  // plugs a block, and gives it back
    clear(buffers, 64);
    *(uint16_t *)buffers = type;
    *(uint32_t *)(buffers + 8) = get(device->base + REG_CONFIG + 16);
    *(uint32_t *)(buffers + 12) = get(device->base + REG_CONFIG + 20);
    *(uint16_t *)(buffers + 16) = 1;
    set(device, 0, 0, buffers, 24, 0);
    set(device, 0, 1, buffers + 64, 10, WRITE);
    buffers[64] = 0xff;
    give(device, 0, 2);
    good &= done(device, 0) && buffers[64] == 0;
  }
  return good && block_bytes != 0;
}

static int drive(struct device *device, uint32_t round) {
  switch (device->id) {
    case NET: return net(device);
    case BLOCK: return block(device);
    case CONSOLE: return console(device);
    case RNG: return rng(device);
    case BALLOON: return balloon(device);
    case VSOCK: return vsock(device, round);
    case MEM: return mem(device);
    case PMEM: return pmem(device);
    default: return 0;
  }
}

static void find_devices(void) {
  for (uint32_t base = MMIO_FIRST; base < MMIO_LAST && device_count < 32; base += 0x1000) {
    if (get(base) != MAGIC) continue;
    devices[device_count] = (struct device){.base = base, .id = get(base + REG_ID),
                                            .queue = queues + device_count * QUEUES};
    ++device_count;
  }
}

static uint8_t letter(void) {
  while ((inb(0x3fd) & 1) == 0) continue;
  return inb(0x3f8);
}

int main(void) {
  device_count = 0;
  outb(0x3fc, 3);  // ready to receive
  find_devices();
  for (uint32_t round = 1;; ++round) {
    for (unsigned i = 0; i < device_count; ++i) {
      start(&devices[i]);
      say(drive(&devices[i], round) ? "good " : "BAD ");
      say_number(devices[i].id);
      say("\n");
    }
    say("round ");
    say_number(round);
    say(" of ");
    say_number(device_count);
    say("\n");
    if (letter() == 'q') {
      outb(0x64, 0xfe);
      for (;;) __asm__ volatile("hlt");
    }
  }
}
