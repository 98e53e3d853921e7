// A guest without an operating system that keeps every queue of every virtio device busy for as
// long as it runs, and checks what comes back (device_stress_test.py). Says on the serial port, as
// lines with BAD, what was not as it should be; letters typed there have it say how many chains of
// each queue came back ('r'), and end it ('q').
#include "storm_load.inc"
#include "storm_memory.inc"
#include "storm_streams.inc"

static uint32_t wanted_features(uint32_t id) {
  switch (id) {
    case BLOCK:
      return 1u << 9 | 1u << 13 | 1u << 14;  // flush, discard, write zeroes
    case CONSOLE:
      return 1u << 1;  // several ports
    case BALLOON:
      return 1u << 1 | 1u << 3 | 1u << 5;  // statistics, hinting, reporting
    case MEM:
      return 1u << 1;  // hidden while unplugged
    default:
      return 0;
  }
}

// Disks. Four sectors are written at once; then two of them and two that were written some time ago
// are read and compared; then all else is done that the disk can, at its end.
enum {
  DISK_READ = 0,
  DISK_WRITE = 1,
  DISK_FLUSH = 4,
  DISK_ID = 8,
  DISK_DISCARD = 11,
  DISK_ZEROES = 13
};
enum { SECTOR = 512, SECTOR_WORDS = SECTOR / 4, PAST = 400, DISK_SECTORS = 4096, DISK_END = 6000 };
enum { WRITES, READS, OTHERS, PHASES };

// The place of the n-th sector that is written: all over the disk, the same after DISK_SECTORS
// others.
static uint32_t sector_of(uint32_t n) { return 16 + n * 37 % DISK_SECTORS; }
static uint32_t seed_of(const struct load* load, uint32_t n) {
  return load->index << 24 ^ n * 2654435761u;
}

static void ask_disk(struct load* load, unsigned slot, uint32_t type, uint32_t sector,
                     uint32_t len) {
  uint32_t* words = words_of(load, 0, slot);
  uint8_t* status = room(load, 0, slot) + 64;
  const uint16_t direction = type == DISK_READ || type == DISK_ID ? WRITE : 0;
  words[0] = type, words[1] = 0, words[2] = sector, words[3] = 0;
  *status = 0xff;
  unsigned pieces = 0;
  piece(load, 0, slot, pieces++, words, 16, 0);
  if (len) piece(load, 0, slot, pieces++, words + SECTOR_WORDS, len, direction);
  piece(load, 0, slot, pieces++, status, 1, WRITE);
  hand(load, 0, slot, pieces);
}

static void ask_range(struct load* load, unsigned slot, uint32_t type) {
  uint32_t* range = words_of(load, 0, slot) + SECTOR_WORDS;
  range[0] = DISK_END + 8 * slot, range[1] = 0, range[2] = 8, range[3] = 0;
  ask_disk(load, slot, type, 0, 16);
}

// The sector that a slot reads in this round, another one than its buffer holds.
static uint32_t read_at(const struct load* load, unsigned slot) {
  const uint32_t n = load->round * SLOTS + (slot ^ 1);
  return slot < 2 || n < PAST ? n : n - PAST;
}

static void check_disk(struct load* load) {
  for (unsigned slot = 0; slot < SLOTS; ++slot) {
    const uint32_t* words = words_of(load, 0, slot);
    const uint8_t status = *(const uint8_t*)(words + 16);
    if (status != 0) bad(load, "request of this type failed:", words[0]);
    if (load->phase != READS) continue;
    const uint32_t n = read_at(load, slot);
    if (load->bytes[0][slot] != SECTOR + 1)
      bad(load, "a read of this length:", load->bytes[0][slot]);
    if (!is_filled(words + SECTOR_WORDS, SECTOR_WORDS, seed_of(load, n)))
      bad(load, "sector with something else:", sector_of(n));
  }
}

static void begin_others(struct load* load) {
  const int ranges = (load->device->features & 1u << 13) != 0;
  ask_disk(load, 0, DISK_FLUSH, 0, 0);
  ask_disk(load, 1, DISK_ID, 0, 20);
  if (ranges) {
    ask_range(load, 2, DISK_DISCARD);
    ask_range(load, 3, DISK_ZEROES);
  } else {
    ask_disk(load, 2, DISK_FLUSH, 0, 0);
    ask_disk(load, 3, DISK_READ, DISK_END, SECTOR);
  }
}

static void block(struct load* load) {
  if (!all_back(load, 0)) return;
  if (load->back[0] > 0) {
    check_disk(load);
    load->phase = (load->phase + 1) % PHASES;
    load->round += load->phase == WRITES;
  }
  if (load->phase == OTHERS) return begin_others(load);
  for (unsigned slot = 0; slot < SLOTS; ++slot) {
    uint32_t* data = words_of(load, 0, slot) + SECTOR_WORDS;
    const uint32_t n = load->phase == WRITES ? load->round * SLOTS + slot : read_at(load, slot);
    if (load->phase == WRITES) fill(data, SECTOR_WORDS, seed_of(load, n));
    ask_disk(load, slot, load->phase == WRITES ? DISK_WRITE : DISK_READ, sector_of(n), SECTOR);
  }
}

// Networks. Whoever is at the other end sends every frame back, in order.
enum {
  VIRTIO_HEADER = 12,
  FRAME_HEADER = 14,
  MAX_FRAME = 1024,
  FRAME_START = VIRTIO_HEADER + FRAME_HEADER
};

static uint32_t frame_words(uint32_t n) { return 12 + n * 7 % 64; }

static void send_frame(struct load* load, unsigned slot, uint32_t n) {
  uint8_t* frame = room(load, 1, slot);
  clear(frame, FRAME_START);
  for (unsigned i = 0; i < 6; ++i) frame[VIRTIO_HEADER + i] = 0xff;
  frame[VIRTIO_HEADER + 6] = 2, frame[VIRTIO_HEADER + 12] = 0x88, frame[VIRTIO_HEADER + 13] = 0xb5;
  fill((uint32_t*)(frame + FRAME_START), frame_words(n), seed_of(load, n));
  hand_room(load, 1, slot, FRAME_START + 4 * frame_words(n), 0);
}

static void net(struct load* load) {
  for (unsigned slot = 0; slot < SLOTS && load->round == 0; ++slot)
    hand_room(load, 0, slot, MAX_FRAME, WRITE);
  // The phase counts the frames that came back.
  for (int slot; (slot = next_back(load, 0)) != NONE;) {
    const uint8_t* frame = room(load, 0, (unsigned)slot);
    const uint32_t n = load->phase++;
    if (load->bytes[0][slot] != FRAME_START + 4 * frame_words(n))
      bad(load, "a frame of this length:", load->bytes[0][slot]);
    else if (!is_filled((const uint32_t*)(frame + FRAME_START), frame_words(n), seed_of(load, n)))
      bad(load, "not the frame", n);
    hand_room(load, 0, (unsigned)slot, MAX_FRAME, WRITE);
  }
  if (!all_back(load, 1) || load->phase != load->round * SLOTS) return;
  for (unsigned slot = 0; slot < SLOTS; ++slot) send_frame(load, slot, load->round * SLOTS + slot);
  ++load->round;
}

static void rng(struct load* load) {
  enum { RANDOM_WORDS = 8 };
  if (!all_back(load, 0)) return;
  for (unsigned slot = 0; slot < SLOTS; ++slot) {
    uint32_t* words = words_of(load, 0, slot);
    uint32_t differences = 0;
    for (unsigned i = 1; i < RANDOM_WORDS; ++i) differences |= words[i] ^ words[0];
    if (load->round > 0 && differences == 0) bad(load, "all words are", words[0]);
    if (load->round > 0 && load->bytes[0][slot] != 4 * RANDOM_WORDS)
      bad(load, "bytes:", load->bytes[0][slot]);
    clear(words, 4 * RANDOM_WORDS);
    hand_room(load, 0, slot, 4 * RANDOM_WORDS, WRITE);
  }
  ++load->round;
}

static void drive(struct load* load) {
  switch (load->device->id) {
    case NET:
      net(load);
      break;
    case BLOCK:
      block(load);
      break;
    case CONSOLE:
      console(load);
      break;
    case RNG:
      rng(load);
      break;
    case BALLOON:
      balloon(load);
      break;
    case VSOCK:
      vsock(load);
      break;
    case MEM:
      memory(load);
      break;
    case PMEM:
      persistent(load);
      break;
    default:
      bad(load, "a device of this type:", load->device->id);
  }
  settle(load);
}

static void report(uint32_t number) {
  for (unsigned i = 0; i < device_count; ++i) {
    struct load* load = &loads[i];
    if (get(load->device->base + REG_STATUS) & NEEDS_RESET) bad(load, "needs a reset", 0);
    for (uint32_t queue = 0; queue < QUEUES; ++queue) {
      if (load->back[queue] == 0 && load->with_device[queue] == 0) continue;
      say("back "), say_number(i), say(" "), say_number(load->device->id), say(" ");
      say_number(queue), say(" "), say_number(load->back[queue]), say("\n");
    }
  }
  say("report "), say_number(number), say("\n");
}

int main(void) {
  outb(0x3fc, 3);  // ready to receive
  make_window();
  find_devices();
  for (unsigned i = 0; i < device_count; ++i) {
    loads[i] = (struct load){.device = &devices[i], .index = i};
    start(&devices[i], wanted_features(devices[i].id));
  }
  for (uint32_t number = 1;;) {
    for (unsigned i = 0; i < device_count; ++i) drive(&loads[i]);
    if (!is_typed()) continue;
    if (inb(0x3f8) != 'q') {
      report(number++);
      continue;
    }
    // With much under way.
    for (unsigned i = 0; i < device_count; ++i) put(devices[i].base + REG_STATUS, 0);
    outb(0x64, 0xfe);
    for (;;) __asm__ volatile("hlt");
  }
}
