// Which call fails: the plan of the Record that EMBER_FAULT_RECORD names. Without one, none does.
#include "tests/fault/injector.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "tests/fault/record.h"

// The linker's names: the calls themselves, and where the program begins and its code ends.
extern "C" {
int __real_open(const char* path, int flags, ...);
void* __real_mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset);
int __real_close(int fd);
extern const char __executable_start;
extern const char etext;
}

namespace ember::fault {
namespace {

// Constant once main begins.
constinit Record* record = nullptr;

[[gnu::constructor]] void OpenRecord() {
  const char* const path = std::getenv("EMBER_FAULT_RECORD");
  if (path == nullptr) return;
  const int fd = __real_open(path, O_RDWR | O_CLOEXEC);
  void* const at = __real_mmap(nullptr, sizeof(Record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  __real_close(fd);
  if (at == MAP_FAILED) {
    std::fprintf(stderr, "EMBER_FAULT_RECORD %s cannot be mapped\n", path);
    std::abort();
  }
  record = static_cast<Record*>(at);
}

uint64_t OffsetOf(const char* code) {
  const bool ours = code >= &__executable_start && code < &etext;
  return ours ? static_cast<uint64_t>(code - &__executable_start) : 0;
}

// Every function of ours keeps its caller's frame at its own; one of the C library's need not, so
// the walk ends where it comes to one.
[[gnu::no_sanitize("address", "undefined")]] Origin OriginOf(const void* frame, uint64_t detail) {
  Origin origin{.frames = {}, .detail = detail};
  for (uint64_t& at : origin.frames) {
    const auto* const words = static_cast<const char* const*>(frame);
    at = OffsetOf(words[1]);
    if (at == 0) break;
    frame = words[0];
  }
  return origin;
}

uint64_t Mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 29;
}

uint64_t KeyOf(const Origin& origin, const char* name) {
  uint64_t key = Mix(1, origin.detail);
  for (const uint64_t at : origin.frames) key = Mix(key, at);
  for (; *name != 0; ++name) key = Mix(key, static_cast<unsigned char>(*name));
  return key | 1;  // 0 is nobody's
}

// Whoever is first fills it in; the test reads it when the program has ended.
Site* SiteOf(uint64_t key, const Origin& origin, const char* name) {
  for (size_t tried = 0; tried < Record::kMaxSites; ++tried) {
    Site& site = record->sites[(key + tried) % Record::kMaxSites];
    uint64_t owner = 0;
    if (site.key.compare_exchange_strong(owner, key)) {
      site.origin = origin;
      std::strncpy(site.name.data(), name, site.name.size() - 1);
      return &site;
    }
    if (owner == key) return &site;
  }
  record->lost_sites.fetch_add(1);
  return nullptr;
}

uint64_t NowNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

Verdict Carry(Plan& plan) {
  plan.failed_at_ns.store(NowNs());
  if (plan.action == kCutShort) return {.cut_short = true};
  if (plan.action == kNoneLeft) return {.none_left = true};
  if (plan.action == kAllDone) return {.error = EAGAIN, .made = true};
  return {.error = static_cast<int>(plan.action)};
}

}  // namespace

Verdict Judge(const void* frame, const char* name, uint64_t detail) {
  if (record == nullptr) return {};
  const Origin origin = OriginOf(frame, detail);
  const uint64_t key = KeyOf(origin, name);
  Site* const site = SiteOf(key, origin, name);
  if (site == nullptr) return {};
  const uint64_t number = site->calls.fetch_add(1) + 1;
  for (Plan& plan : record->plans) {
    if (key == plan.key && number == plan.number) return Carry(plan);
  }
  return {};
}

}  // namespace ember::fault
