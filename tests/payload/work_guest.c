// A guest without an operating system whose whole machine works, so that snapshots can be taken of it
// at any instant (instants_test.py, clones_test.py): each of its CPUs goes over pages of its own, the
// first one also over a disk, a network whose other end sends all back, and a console. What was
// written before is checked before something else is written. A seed of the machine's own is in all of
// it: once told another one, a machine of a snapshot is unlike its brothers.
//
// Letters typed at the serial port: 'r' has it report, 's' and eight hexadecimal digits is a new
// seed, 'c' has it tell of its VMClock, 'q' ends it. Compiled with CPUS, and LAST_MIB, where RAM ends.
#include "queue_slots.inc"

#define PAGE 4096u
#define FIRST_PAGE 0x900000u
#define LAST_PAGE (LAST_MIB << 20)
#define LAPIC 0xfee00000u
#define START_CODE 0x10000u  // a page below 1 MiB, where CPUs begin

// Memory. Each page of a CPU's has the value of its last round at both ends.
struct worker {
  uint32_t first, last, at;  // pages' addresses
  uint32_t round;            // which is being written
  uint32_t seed, before;     // of this round, and of that before it
  uint32_t kept;             // rounds that found the machine's seed in every page
  uint32_t bad, bad_value;   // the first page that was not as it was left
};

static volatile uint32_t machine_seed = 0x5eed0000;
static volatile struct worker workers[CPUS];

static uint32_t value_of(uint32_t seed, uint32_t page, uint32_t round) {
  return seed ^ page ^ round * 0x9e3779b9u;
}

static void end_round(volatile struct worker* worker) {
  if (worker->seed == machine_seed && worker->before == machine_seed) ++worker->kept;
  if (worker->seed != machine_seed) worker->kept = 0;
  worker->before = worker->seed;
  worker->seed = machine_seed;
  worker->at = worker->first;
  ++worker->round;
}

// Goes over the next pages, as many as that.
static void work(volatile struct worker* worker, uint32_t pages) {
  for (; pages > 0; --pages) {
    volatile uint32_t* page = (uint32_t*)worker->at;
    const uint32_t was = value_of(worker->before, worker->at, worker->round - 1);
    const uint32_t is = value_of(worker->seed, worker->at, worker->round);
    if (worker->round > 0 && (page[0] != was || page[PAGE / 4 - 1] != was) && !worker->bad) {
      worker->bad_value = page[0] != was ? page[0] : page[PAGE / 4 - 1];
      worker->bad = worker->at;
    }
    page[0] = page[PAGE / 4 - 1] = is;
    worker->at += PAGE;
    if (worker->at == worker->last) end_round(worker);
  }
}

// The other CPUs.
extern const uint8_t start_code[], start_code_end[];
__asm__(
    ".text\n.code16\n"
    ".globl start_code\nstart_code:\n cli\n"
    " lgdtl %cs:(start_table - start_code)\n"
    " movl %cr0, %eax\n orl $1, %eax\n movl %eax, %cr0\n"
    " ljmpl $8, $start_flat\n"
    " .balign 4\nstart_table: .word 23\n .long start_segments\n"
    ".globl start_code_end\nstart_code_end:\n"
    ".code32\nstart_flat:\n mov $16, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n"
    " mov 0xfee00020, %eax\n shr $24, %eax\n"
    " mov %eax, %ecx\n shl $12, %ecx\n mov $0x590000, %esp\n sub %ecx, %esp\n"
    " push %eax\n call work_forever\n"
    " .balign 8\nstart_segments: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff\n");

void work_forever(uint32_t cpu) {
  for (;;) work(&workers[cpu], 64);
}

static void start_cpu(uint32_t cpu) {
  put(LAPIC + 0x310, cpu << 24);
  put(LAPIC + 0x300, 0x4500);  // INIT
  for (unsigned times = 0; times < 2; ++times) {
    for (unsigned i = 0; i < 200; ++i) inb(0x3fd);
    put(LAPIC + 0x310, cpu << 24);
    put(LAPIC + 0x300, 0x4600 | START_CODE >> 12);  // start there
  }
}

static void start_cpus(void) {
  for (const uint8_t* from = start_code; from < start_code_end; ++from)
    ((volatile uint8_t*)START_CODE)[from - start_code] = *from;
  const uint32_t pages = (LAST_PAGE - FIRST_PAGE) / PAGE / CPUS;
  for (uint32_t cpu = 0; cpu < CPUS; ++cpu) {
    volatile struct worker* worker = &workers[cpu];
    worker->first = worker->at = FIRST_PAGE + cpu * pages * PAGE;
    worker->last = cpu + 1 == CPUS ? LAST_PAGE : worker->first + pages * PAGE;
    worker->seed = worker->before = machine_seed;
  }
  put(LAPIC + 0xf0, 0x1ff);
  for (uint32_t cpu = 1; cpu < CPUS; ++cpu) start_cpu(cpu);
}

// The disk. All of it is written chunk by chunk, then read, and so on, four chunks at a time; each
// sector has a word at its start.
enum { SECTOR = 512, CHUNK = 32 * SECTOR, DISK_BYTES = 1 << 20, CHUNKS = DISK_BYTES / CHUNK };

static uint32_t disk_pass, disk_next, disk_chunks, disk_kept, disk_seed;

static uint32_t* chunk_of(unsigned slot) { return (uint32_t*)(0x800000 - (SLOTS - slot) * CHUNK); }

static uint32_t sector_word(uint32_t sector) { return disk_seed ^ sector << 8 ^ disk_pass / 2; }

static void ask_chunk(struct load* load, unsigned slot) {
  const uint32_t sector = disk_next++ * (CHUNK / SECTOR);
  const int reads = disk_pass & 1;
  uint32_t *words = words_of(load, 0, slot), *data = chunk_of(slot);
  words[0] = reads ? 0 : 1, words[1] = 0, words[2] = sector, words[3] = 0;
  *(uint8_t*)(words + 16) = 0xff;
  for (uint32_t i = 0; i < CHUNK / SECTOR; ++i)
    data[i * SECTOR / 4] = reads ? ~sector_word(sector + i) : sector_word(sector + i);
  piece(load, 0, slot, 0, words, 16, 0);
  piece(load, 0, slot, 1, data, CHUNK, reads ? WRITE : 0);
  piece(load, 0, slot, 2, words + 16, 1, WRITE);
  hand(load, 0, slot, 3);
}

static void check_chunk(struct load* load, unsigned slot) {
  const uint32_t *words = words_of(load, 0, slot), *data = chunk_of(slot);
  ++disk_chunks;
  if (*(const uint8_t*)(words + 16) != 0) bad(load, "a request failed:", words[0]);
  for (uint32_t i = 0; words[0] == 0 && i < CHUNK / SECTOR; ++i) {
    if (data[i * SECTOR / 4] != sector_word(words[2] + i))
      bad(load, "something else is in sector", words[2] + i);
  }
}

static void disk(struct load* load) {
  for (int slot; (slot = next_back(load, 0)) != NONE;) check_chunk(load, (unsigned)slot);
  if (disk_next == CHUNKS && load->with_device[0] == 0) {
    if (disk_pass & 1 && disk_seed == machine_seed) ++disk_kept;
    disk_next = 0;
    // A reading pass reads what the one before it wrote.
    if (!(++disk_pass & 1)) disk_seed = machine_seed;
  }
  for (int slot; disk_next < CHUNKS && (slot = free_slot(load, 0, SLOTS)) != NONE;)
    ask_chunk(load, (unsigned)slot);
}

// The network. One frame at a time, which comes back; where it does not, once more, for frames get
// lost where a machine is saved. Those of before may come late.
enum { VIRTIO_HEADER = 12, FRAME_START = VIRTIO_HEADER + 14, FRAME_BYTES = FRAME_START + 34 };
enum { FRAME_PATIENCE = 50 };

static uint32_t frame, frames_kept, frame_seed, frame_waited;

static void send_frame(struct load* load) {
  uint8_t* at = room(load, 1, 0);
  clear(at, FRAME_BYTES);
  for (unsigned i = 0; i < 6; ++i) at[VIRTIO_HEADER + i] = 0xff;
  at[VIRTIO_HEADER + 6] = 2, at[VIRTIO_HEADER + 12] = 0x88, at[VIRTIO_HEADER + 13] = 0xb5;
  *(uint32_t*)(at + FRAME_START) = frame_seed;
  *(uint32_t*)(at + FRAME_START + 4) = frame;
  hand_room(load, 1, 0, FRAME_BYTES, 0);
  frame_waited = 0;
}

static void take_frame(struct load* load, unsigned slot) {
  const uint32_t* words = (uint32_t*)(room(load, 0, slot) + FRAME_START);
  if (words[0] == frame_seed && words[1] == frame) {
    if (frame_seed == machine_seed) ++frames_kept;
    frame_seed = machine_seed;
    ++frame;
    frame_waited = FRAME_PATIENCE;
  } else if (words[1] > frame || (words[1] == frame && words[0] != frame_seed)) {
    bad(load, "a frame of another machine's, of the seed", words[0]);
  }
  hand_room(load, 0, slot, 1024, WRITE);
}

static void net(struct load* load) {
  for (unsigned slot = 0; slot < SLOTS && load->round == 0; ++slot)
    hand_room(load, 0, slot, 1024, WRITE);
  load->round = 1;
  for (int slot; (slot = next_back(load, 0)) != NONE;) take_frame(load, (unsigned)slot);
  if (all_back(load, 1) && (frame == 0 || frame_waited++ >= FRAME_PATIENCE)) {
    if (frame == 0) frame = 1;
    send_frame(load);
  }
}

// The console: lines with a count.
enum { LINE_BYTES = 10 };

static uint32_t lines;

static void console(struct load* load) {
  while (next_back(load, 1) != NONE) continue;
  for (int slot; (slot = free_slot(load, 1, SLOTS)) != NONE;) {
    uint8_t* line = room(load, 1, (unsigned)slot);
    uint32_t count = lines++;
    line[0] = '#', line[LINE_BYTES - 1] = '\n';
    for (unsigned digit = 8; digit > 0; --digit, count >>= 4)
      line[digit] = "0123456789abcdef"[count & 15];
    hand_room(load, 1, (unsigned)slot, LINE_BYTES, 0);
  }
}

static void drive(struct load* load) {
  switch (load->device->id) {
    case BLOCK:
      disk(load);
      break;
    case NET:
      net(load);
      break;
    case CONSOLE:
      console(load);
      break;
    default:
      bad(load, "a device of this type:", load->device->id);
  }
  settle(load);
}

static void say_field(uint32_t number) { say(" "), say_number(number); }

static void report(uint32_t number) {
  for (uint32_t cpu = 0; cpu < CPUS; ++cpu) {
    if (!workers[cpu].bad) continue;
    say("BAD page"), say_field(workers[cpu].bad), say(" holds"), say_field(workers[cpu].bad_value);
    say("\n");
  }
  if (complaints > 0) say("BAD times"), say_field(complaints), say("\n");
  say("report"), say_field(number), say(" went");
  for (uint32_t cpu = 0; cpu < CPUS; ++cpu) say_field(workers[cpu].round);
  say_field(disk_chunks), say_field(frame), say_field(lines);
  say(" kept");
  for (uint32_t cpu = 0; cpu < CPUS; ++cpu) say_field(workers[cpu].kept);
  say_field(disk_kept), say_field(frames_kept), say("\n");
}

// What the machine says of itself: VMClock's structure (<linux/vmclock-abi.h>), and what happened by
// ACPI's event register, which is there once.
#define CLOCK 0xfd000u
#define EVENTS 0xc0001000u

static void tell_clock(void) {
  say("clock"), say_field(get(CLOCK)), say_field(get(CLOCK + 4));            // magic, size
  say_field(get(CLOCK + 8)), say_field(get(CLOCK + 24));                     // constants, flags
  say_field(get(CLOCK + 12)), say_field(get(CLOCK + 16));                    // sequence, disruptions
  say_field(get(CLOCK + 104)), say_field(get(CLOCK + 108));                  // generation
  say_field(*(volatile uint8_t*)EVENTS), say("\n");
}

static uint8_t letter(void) {
  while (!is_typed()) continue;
  return inb(0x3f8);
}

static void take_seed(void) {
  uint32_t seed = 0;
  for (unsigned i = 0; i < 8; ++i) {
    const uint8_t digit = letter();
    seed = seed << 4 | (uint32_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
  }
  machine_seed = seed;
  disk_kept = frames_kept = 0;
  for (uint32_t cpu = 0; cpu < CPUS; ++cpu) workers[cpu].kept = 0;
}

int main(void) {
  outb(0x3fc, 3);  // ready to receive
  find_devices();
  disk_seed = frame_seed = machine_seed;
  for (unsigned i = 0; i < device_count; ++i) {
    loads[i] = (struct load){.device = &devices[i], .index = i};
    start(&devices[i], 0);
  }
  start_cpus();
  say("working\n");
  for (uint32_t reports = 1;;) {
    for (unsigned i = 0; i < device_count; ++i) drive(&loads[i]);
    work(&workers[0], 32);
    if (!is_typed()) continue;
    const uint8_t wish = inb(0x3f8);
    if (wish == 'r') report(reports++);
    if (wish == 's') take_seed();
    if (wish == 'c') tell_clock();
    if (wish == 'q') outb(0x64, 0xfe);
  }
}
