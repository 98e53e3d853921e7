// A guest without an operating system that drives every kind of virtio device once: for a life of a
// machine under the system call filters (confinement_test.py). In 32-bit protected mode without
// paging, as the PVH entry leaves it. Says what it has done on the serial port, and waits there for
// a letter: 'g' another round, 'l' a look at what devices have told since then, 'q' reset.
#include "guest_virtio.inc"

#define MARK 0x656d6200u
#ifndef PATIENCE
#define PATIENCE 2000000u
#endif
enum { NEEDS_RESET = 64 };

static uint32_t wanted_features(uint32_t id) {
  switch (id) {
    case BLOCK: return 1u << 9 | 1u << 13;  // flush, discard
    case CONSOLE: return 1u << 1;           // several ports
    case MEM: return 1u << 1;               // hidden while unplugged
    default: return 0;
  }
}

// Gives the first `count` descriptors as one chain.
static void give(struct device *device, uint32_t queue_index, unsigned count) {
  offer(device, queue_index, 0, count);
  notify(device, queue_index);
}

// Of what was given to a device that did not say that it is broken, something did not come back.
static int late;

// Whether what was given came back. Bounded, far beyond what a busy host takes.
static int done(struct device *device, uint32_t queue_index) {
  struct queue *queue = &device->queue[queue_index];
  for (uint32_t i = 0; i < PATIENCE; ++i) {
    if (*(volatile uint16_t *)&queue->used.idx == queue->avail.idx) {
      put(device->base + REG_ACK, get(device->base + REG_INTERRUPT));
      return 1;
    }
    inb(0x3fd);  // leaves the guest, so that it does not take the processor from the device
    if (i % 256 == 255 && get(device->base + REG_STATUS) & NEEDS_RESET) return 0;
  }
  late = 1;
  return 0;
}

// Writes to the second sector what is in the first, to the third what says which round it is, and
// something far off, flushes, discards the latter, and asks for the name. Every other round not at an
// address that direct I/O takes.
static int block(struct device *device, uint32_t round) {
  static const struct { uint32_t type, sector, data_len; } requests[] = {
      {0, 0, 512}, {1, 1, 512}, {1, 2, 512}, {1, 512, 512}, {4, 0, 0}, {11, 0, 16}, {8, 0, 20}};
  int good = 1;
  for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); ++i) {
    uint32_t *header = (uint32_t *)buffers;
    clear(buffers, 64);
    header[0] = requests[i].type;
    header[2] = requests[i].sector;
    uint32_t *data = (uint32_t *)(buffers + 4096 + (round + 1) % 2);
    if (requests[i].type == 0) data[64] = MARK;  // which is to be read over
    if (requests[i].sector == 2) data[0] = data[127] = MARK + round;
    if (requests[i].type == 11) data[0] = 512, data[1] = 0, data[2] = 256, data[3] = 0;
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
  if (!done(device, 1)) return 0;
  const int answered = done(device, 0);  // by the peer; frames get lost
  late = 0;
  return answered;
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
  for (uint32_t queue = 0; queue < 5; queue += 4) {
    set(device, queue, 0, buffers + 0x4000, 256, WRITE);
    give(device, queue, 1);
  }
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
  words[0] = get(device->base + REG_CONFIG);  // from
  words[2] = 2;           // to the host
  words[4] = local_port;
  words[5] = 52;
  words[6] = len;
  ((uint16_t *)buffers)[14] = 1;
  ((uint16_t *)buffers)[15] = op;
  words[8] = op != 4 ? 0 : local_port % 2 ? 3 : 2;  // will not receive either, or will
  words[9] = 65536;       // our room
  set(device, 1, 0, buffers, 44 + len, 0);
  give(device, 1, 1);
  return done(device, 1);
}

static int vsock(struct device *device, uint32_t round) {
  set(device, 2, 0, buffers + 0x4000, 4, WRITE);  // for an event
  give(device, 2, 1);
  set(device, 0, 0, buffers + 0x3000, 4096, WRITE);
  give(device, 0, 1);
  if (!packet(device, 1000 + round, 1, 0) || !done(device, 0)) return 0;  // the host accepts
  set(device, 0, 0, buffers + 0x3000, 4096, WRITE);
  give(device, 0, 1);
  if (!packet(device, 1000 + round, 5, 8) || !done(device, 0)) return 0;  // and answers
  return packet(device, 1000 + round, 4, 0);
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
    case BLOCK: return block(device, round);
    case CONSOLE: return console(device);
    case RNG: return rng(device);
    case BALLOON: return balloon(device);
    case VSOCK: return vsock(device, round);
    case MEM: return mem(device);
    case PMEM: return pmem(device);
    default: return 0;
  }
}

// What is in the configuration of devices that copies of a machine have others of, whether they told
// of a change, and of how many events.
static void look(void) {
  for (unsigned i = 0; i < device_count; ++i) {
    const struct device *device = &devices[i];
    if (device->id != NET && device->id != VSOCK) continue;
    say("device ");
    say_number(device->id);
    say(" config ");
    say_number(get(device->base + REG_CONFIG));
    say(" changed ");
    say_number(get(device->base + REG_INTERRUPT) >> 1 & 1);
    say(" events ");
    say_number(device->id == VSOCK ? *(volatile uint16_t *)&device->queue[2].used.idx : 0);
    say("\n");
  }
  say("looked\n");
}

static uint8_t letter(void) {
  while (!is_typed()) continue;
  return inb(0x3f8);
}

int main(void) {
  outb(0x3fc, 3);  // ready to receive
  find_devices();
  for (uint32_t round = 1;; ++round) {
    for (unsigned i = 0; i < device_count; ++i) {
      start(&devices[i], wanted_features(devices[i].id));
      late = 0;
      say(drive(&devices[i], round) ? "good " : late ? "LATE " : "BAD ");
      say_number(devices[i].id);
      say("\n");
    }
    say("round ");
    say_number(round);
    say(" of ");
    say_number(device_count);
    say("\n");
    uint8_t wish;
    while ((wish = letter()) == 'l') look();
    if (wish == 'q') {
      outb(0x64, 0xfe);
      for (;;) __asm__ volatile("hlt");
    }
  }
}
