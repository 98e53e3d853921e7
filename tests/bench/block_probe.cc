// block_probe FILE DEPTH(1-64) direct|cached ROUNDS: random reads of 4 KiB from a file, by a bare
// io_uring and by a driver through a block device with its asynchronous engine, in turns of a
// fortieth of a second, so that the host's disk is the same for both, on one thread. Prints
//   {"bare_iops": [of each round…], "device_iops": […]}
// The driver is the tests' own, through the MMIO transport, with EVENT_IDX. The device is on an
// event loop as on a thread of its own in a machine; the doorbell goes through its descriptor, as
// KVM rings it, while that thread is awake.
#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/mapping.h"
#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/block/block_device.h"
#include "virtio/block/disk_file.h"
#include "virtio/block/uring_engine.h"

namespace ember::virtio::testing {
namespace {

constexpr uint32_t kBlockBytes = 4096;
constexpr std::chrono::milliseconds kRound{25};
constexpr int kCompletionsBetweenLooks = 16;  // at the clock
using SteadyClock = std::chrono::steady_clock;

template <typename T>
T Must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "block_probe: %s\n", result.error().message().c_str());
    std::exit(1);
  }
  return *std::move(result);
}

void Must(int result, const char* what) {
  if (result >= 0) return;
  std::fprintf(stderr, "block_probe: %s: %s\n", what, std::strerror(-result));
  std::exit(1);
}

class Offsets {
 public:
  explicit Offsets(uint64_t file_bytes) : blocks_(file_bytes / kBlockBytes) {}
  uint64_t Next() { return random_() % blocks_ * kBlockBytes; }

 private:
  std::minstd_rand random_{7};
  uint64_t blocks_;
};

// What a program does that has nothing but io_uring.
class Bare {
 public:
  Bare(const Disk& disk, unsigned depth)
      : depth_(depth), memory_(Must(Mapping::Anonymous(size_t{depth} * kBlockBytes))) {
    io_uring_params params{};
    params.flags = IORING_SETUP_COOP_TASKRUN;
    Must(::io_uring_queue_init_params(depth, &ring_, &params), "io_uring_queue_init");
    const int fd = disk.plain_file()->fd;
    Must(::io_uring_register_files(&ring_, &fd, 1), "io_uring_register_files");
  }
  ~Bare() { ::io_uring_queue_exit(&ring_); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  double Iops(Offsets& offsets) {
    for (unsigned i = 0; i < depth_; ++i) Read(i, offsets.Next());
    const auto began = SteadyClock::now();
    auto now = began;
    uint64_t done = 0;
    uint64_t next_look = 0;
    while (now - began < kRound) {
      Must(::io_uring_submit_and_wait(&ring_, 1), "io_uring_submit_and_wait");
      io_uring_cqe* entry = nullptr;
      while (::io_uring_peek_cqe(&ring_, &entry) == 0) {
        Must(entry->res, "read");
        const auto slot = static_cast<unsigned>(entry->user_data);
        ::io_uring_cqe_seen(&ring_, entry);
        Read(slot, offsets.Next());
        ++done;
      }
      if (done < next_look) continue;
      next_look = done + kCompletionsBetweenLooks;
      now = SteadyClock::now();
    }
    const double iops =
        static_cast<double>(done) / std::chrono::duration<double>(now - began).count();
    Settle();
    return iops;
  }

 private:
  void Read(unsigned slot, uint64_t offset) {
    io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);
    ::io_uring_prep_read(entry, 0, memory_.data() + size_t{slot} * kBlockBytes, kBlockBytes,
                         offset);
    ::io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
    ::io_uring_sqe_set_data64(entry, slot);
  }
  void Settle() {
    Must(::io_uring_submit(&ring_), "io_uring_submit");
    for (unsigned left = depth_; left > 0; --left) {
      io_uring_cqe* entry = nullptr;
      Must(::io_uring_wait_cqe(&ring_, &entry), "io_uring_wait_cqe");
      ::io_uring_cqe_seen(&ring_, entry);
    }
  }

  unsigned depth_;
  Mapping memory_;
  io_uring ring_{};
};

// A driver that lays its requests out once and offers them again and again.
class Driven {
 public:
  Driven(std::unique_ptr<Disk> disk, std::unique_ptr<IoEngine> engine, unsigned depth)
      : depth_(depth),
        device_(
            Must(BlockDevice::Create(std::move(disk), std::move(engine), {.drive_id = "probe"}))),
        rig_(*device_),
        ring_(rig_.ram, ToInteger(BlockDevice::kQueueSize), /*event_index=*/true),
        headers_(rig_.ram.Allocate(size_t{depth} * kHeaderBytes)),
        status_(rig_.ram.Allocate(depth)),
        loop_(Must(EventLoop::Create())),
        wait_(device_->TakeHostWait()) {
    constexpr QueueIndex kQueue{0};
    watches_.push_back(Must(loop_->WatchArrivals(rig_.state().notify_fd(kQueue).get(),
                                                 [this] { rig_.state().ProcessQueue(kQueue); })));
    watches_.push_back(Must(loop_->WatchReadable(device_->host_event_fd(),
                                                 [this] { rig_.state().ProcessHostEvents(); })));
    const GuestAddress data = rig_.ram.Allocate(size_t{depth} * kBlockBytes, kBlockBytes);
    std::memset(rig_.ram.Bytes(headers_, size_t{depth} * kHeaderBytes).data(), 0,
                size_t{depth} * kHeaderBytes);
    for (uint16_t i = 0; i < depth; ++i) {
      const auto first = static_cast<uint16_t>(i * kDescriptors);
      const auto next = [&](int step) { return static_cast<uint16_t>(first + step); };
      ring_.SetDescriptor(first,
                          {ToInteger(headers_ + i * kHeaderBytes), kHeaderBytes, kNext, next(1)});
      ring_.SetDescriptor(next(1), {ToInteger(data + uint64_t{i} * kBlockBytes), kBlockBytes,
                                    kNext | kWrite, next(2)});
      ring_.SetDescriptor(next(2), {ToInteger(status_ + i), 1, kWrite, 0});
    }
    sectors_ = rig_.ram.Bytes(headers_, size_t{depth} * kHeaderBytes).data() + kSectorOffset;
    rig_.driver.Start(kVersion1Feature | kEventIndexFeature64, ring_.place());
    rig_.Pump();
  }

  // Runs the device's loop: a round, then `between`, until that says that it is enough. The reads a
  // second of each round.
  template <typename Between>
  std::vector<double> Run(Offsets& offsets, Between between) {
    std::vector<double> rounds;
    Begin(offsets);
    loop_->Run([&](int fd) {
      // The driver has its turn whenever the device's thread would wait.
      const bool over = Turn(offsets);
      if (over) rounds.push_back(iops_);
      if (over && !between()) {
        loop_->Stop();
        return EventLoop::Woken::kByItsOwn;
      }
      if (over) Begin(offsets);
      return rig_.state().WaitForHost(*wait_, fd) ? EventLoop::Woken::kByDescriptor
                                                  : EventLoop::Woken::kByItsOwn;
    });
    return rounds;
  }

 private:
  static constexpr uint32_t kHeaderBytes = 16;
  static constexpr size_t kSectorOffset = 8;
  static constexpr uint16_t kDescriptors = 3;

  void Offer(uint16_t slot, uint64_t offset) {
    const uint64_t sector = offset / kSectorBytes;
    std::memcpy(sectors_ + size_t{slot} * kHeaderBytes, &sector, sizeof(sector));
    ring_.Offer(static_cast<uint16_t>(slot * kDescriptors));
  }
  // The device's thread is this one, and awake.
  void Kick() {
    if (!ring_.Publish()) return;
    rig_.driver.Notify(0);
    rig_.state().ProcessQueue(QueueIndex{0});
  }
  void Begin(Offsets& offsets) {
    for (uint16_t i = 0; i < depth_; ++i) Offer(i, offsets.Next());
    under_way_ = depth_;
    done_ = next_look_ = 0;
    began_ = now_ = SteadyClock::now();
    Kick();
  }
  // Answers what the device answered; whether that was the last of the round.
  bool Turn(Offsets& offsets) {
    const bool measured = now_ - began_ < kRound;
    const uint64_t answers = TakeAnswers([&](uint16_t slot) {
      if (measured) Offer(slot, offsets.Next());
    });
    if (!measured) return (under_way_ -= answers) == 0;
    Kick();
    done_ += answers;
    if (done_ < next_look_) return false;
    next_look_ = done_ + kCompletionsBetweenLooks;
    now_ = SteadyClock::now();
    iops_ = static_cast<double>(done_) / std::chrono::duration<double>(now_ - began_).count();
    return false;
  }
  // Tells of each request that was answered, and returns how many.
  template <typename Answered>
  uint64_t TakeAnswers(Answered answered) {
    uint64_t count = 0;
    for (const uint16_t end = ring_.used_index(); next_used_ != end; ++next_used_, ++count) {
      const UsedEntry entry = ring_.used_entry(next_used_ % ring_.size());
      if (entry.len != kBlockBytes + 1) Must(-EIO, "the device's answer");
      answered(static_cast<uint16_t>(entry.id / kDescriptors));
    }
    ring_.SetUsedEvent(next_used_);
    return count;
  }

  unsigned depth_;
  std::unique_ptr<BlockDevice> device_;
  Rig rig_;
  DriverRing ring_;
  GuestAddress headers_;
  GuestAddress status_;
  std::byte* sectors_ = nullptr;
  uint16_t next_used_ = 0;

  const std::unique_ptr<EventLoop> loop_;
  HostWait* const wait_;
  std::vector<EventLoop::Watch> watches_;

  // Of a round.
  uint64_t under_way_ = 0;
  uint64_t done_ = 0;
  uint64_t next_look_ = 0;
  double iops_ = 0;
  SteadyClock::time_point began_;
  SteadyClock::time_point now_;
};

void Print(const char* name, const std::vector<double>& values, const char* after) {
  std::printf("\"%s\": [", name);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.0f", i > 0 ? ", " : "", values[i]);
  std::printf("]%s", after);
}

int Run(const std::string& path, unsigned depth, HostCache cache, int rounds) {
  auto bare_disk = Must(DiskFile::Open(path, Access::kReadOnly, cache));
  std::unique_ptr<Disk> disk = Must(DiskFile::Open(path, Access::kReadOnly, cache));
  auto engine = Must(CreateUringEngine(*disk));
  Offsets bare_offsets(disk->size_bytes());
  Offsets device_offsets(disk->size_bytes());
  Bare bare(*bare_disk, depth);
  Driven driven(std::move(disk), std::move(engine), depth);
  std::vector<double> bare_iops;
  std::vector<double> device_iops = driven.Run(device_offsets, [&] {
    bare_iops.push_back(bare.Iops(bare_offsets));
    return bare_iops.size() <= static_cast<size_t>(rounds);
  });
  // The first warms up.
  bare_iops.erase(bare_iops.begin());
  device_iops.erase(device_iops.begin());
  std::printf("{");
  Print("bare_iops", bare_iops, ", ");
  Print("device_iops", device_iops, "}\n");
  return 0;
}

}  // namespace
}  // namespace ember::virtio::testing

int main(int argc, char** argv) {
  using ember::virtio::HostCache;
  const std::string cache = argc == 5 ? argv[3] : "";
  const int depth = argc == 5 ? std::atoi(argv[2]) : 0;
  constexpr int kMaxDepth = 64;  // three descriptors each, in a queue of 256
  if ((cache != "direct" && cache != "cached") || depth < 1 || depth > kMaxDepth) {
    std::fprintf(stderr, "usage: block_probe FILE DEPTH(1-%d) direct|cached ROUNDS\n", kMaxDepth);
    return 2;
  }
  return ember::virtio::testing::Run(argv[1], static_cast<unsigned>(depth),
                                     cache == "direct" ? HostCache::kBypassed : HostCache::kUsed,
                                     std::atoi(argv[4]));
}
