#include "virtio/block/uring_engine.h"

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>

#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/concat.h"
#include "virtio/block/ring.h"
#include "virtio/block/spare_rings.h"
#include "virtio/block/sync_engine.h"

namespace ember::virtio {
namespace {

constexpr unsigned kDepth = 128;
// Twice the calls, for each may be cancelled; the completion ring is twice as large again.
constexpr unsigned kEntries = 2 * kDepth;
// user_data of what nobody waits for: cancellations, and entries withdrawn before the host took
// them.
constexpr uint64_t kNobody = ~uint64_t{0};
// user_data of the poll of the descriptor that Wait() is given beside.
constexpr uint64_t kBeside = kNobody - 1;

// How fallocate(2) does a discard or a write of zeros.
int FallocateMode(const IoCall& call) {
  const bool punch = call.kind == IoKind::kDiscard || call.zero_mode == ZeroMode::kMayDeallocate;
  return FALLOC_FL_KEEP_SIZE | (punch ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
}

std::string_view NameOf(IoKind kind) {
  switch (kind) {
    case IoKind::kRead:
      return "io_uring read";
    case IoKind::kWrite:
      return "io_uring write";
    case IoKind::kDiscard:
      return "io_uring fallocate for a discard";
    case IoKind::kZero:
      return "io_uring fallocate for zeros";
    case IoKind::kFlush:
      break;
  }
  return "io_uring fdatasync";
}

class UringEngine final : public IoEngine, public HostWait {
 public:
  UringEngine(std::unique_ptr<Ring> ring, SpareRings* spare, Disk& disk, const PlainFile& file)
      : owner_(std::move(ring)),
        ring_(&owner_->get()),
        spare_(spare),
        disk_(&disk),
        file_(file),
        calls_(kDepth) {
    finished_.reserve(kDepth);
  }
  ~UringEngine() override;

  size_t depth() const override { return kDepth; }
  // The ring's own descriptor is readable while its completion queue has entries.
  int finished_fd() const override { return ring_->ring_fd; }
  HostWait* host_wait() override { return this; }
  // What the host cannot finish at once in the page cache, a thread of its own does, one call after
  // the other. Who waits in the ring is woken by each in any case.
  bool gathers() const override {
    return file_.memory_alignment_bytes == 1 && waiter_ == std::thread::id();
  }

  std::optional<IoResult> Start(IoTag tag, const IoCall& call) override;
  bool Submit() override;
  std::optional<IoCompletion> TakeFinished() override;
  void WaitForAll() override;
  void Stop() override;
  Status UseDisk(Disk& disk) override;

  bool Prepare(int fd) override;
  void Wait() override;
  bool TakeReadable() override { return std::exchange(beside_readable_, false); }

 private:
  struct Call {
    IoCall call;
    bool with_host = false;
  };
  // What became of a call: as read(2) would return it, or an error number below 0.
  struct Finished {
    uint64_t tag = 0;
    int result = 0;
  };

  // Whether the ring can do it.
  bool Suits(const IoCall& call) const;
  IoResult DoWithoutRing(const IoCall& call);
  void Prepare(io_uring_sqe& entry, const IoCall& call) const;
  IoResult ResultOf(const IoCall& call, int result);
  // The next of the completion ring that is a call's.
  std::optional<Finished> TakeFromRing();
  // Waits until there is something to take.
  void WaitForOne();
  // Makes nothing of the entries that the host did not take; their calls are in finished_.
  void WithdrawUnsubmitted();
  void CancelAll();

  bool IsWaiter() const { return waiter_ == std::this_thread::get_id(); }
  // Asks the host to poll the descriptor beside, where there is one that it does not poll yet.
  void PollBeside();
  // Another thread took the completion that would have ended Wait(): makes another.
  void WakeWaiter();
  // Nobody waits any more. False where the host does not let go of the descriptor beside.
  bool StopPolling();

  std::unique_ptr<Ring> owner_;
  io_uring* const ring_;
  SpareRings* const spare_;  // null: there are none
  Disk* disk_;
  PlainFile file_;
  bool can_fallocate_ = true;
  std::vector<Call> calls_;         // by tag
  unsigned with_host_ = 0;          // calls that are not in finished_ yet, nor taken
  std::vector<Finished> finished_;  // taken from the ring before TakeFinished() asked

  // Of Wait(). Only its thread has the descriptor polled, for on another the host would keep the
  // completion until that thread enters it next, which may be a vCPU's.
  std::thread::id waiter_;
  int beside_ = -1;
  bool beside_polled_ = false;
  bool beside_readable_ = false;
  bool owes_wake_ = false;
};

UringEngine::~UringEngine() {
  UringEngine::Stop();
  if (spare_ != nullptr && StopPolling()) spare_->Give(std::move(owner_));
}

bool UringEngine::Suits(const IoCall& call) const {
  switch (call.kind) {
    case IoKind::kRead:
    case IoKind::kWrite:
      return file_.Takes(call.offset, call.pieces);
    case IoKind::kDiscard:
    case IoKind::kZero:
      return can_fallocate_;
    case IoKind::kFlush:
      break;
  }
  return true;
}

// Sectors that share a block of the host's with others are written by reading the block first, so
// nothing else may be writing to it.
IoResult UringEngine::DoWithoutRing(const IoCall& call) {
  const bool shares_blocks = (call.offset | call.len_bytes) % file_.offset_alignment_bytes != 0;
  if (call.kind == IoKind::kWrite && shares_blocks) WaitForAll();
  return CallDisk(*disk_, call);
}

std::optional<IoResult> UringEngine::Start(IoTag tag, const IoCall& call) {
  if (!Suits(call)) return DoWithoutRing(call);
  io_uring_sqe* const entry = ::io_uring_get_sqe(ring_);
  if (entry == nullptr) return Error::FromErrorNumber("io_uring's queue", EAGAIN);
  Prepare(*entry, call);
  ::io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
  ::io_uring_sqe_set_data64(entry, ToInteger(tag));
  calls_[ToInteger(tag)] = {.call = call, .with_host = true};
  ++with_host_;
  return std::nullopt;
}

void UringEngine::Prepare(io_uring_sqe& entry, const IoCall& call) const {
  constexpr int kRegisteredFile = 0;  // the index of the only one
  const auto count = static_cast<unsigned>(call.pieces.size());
  switch (call.kind) {
    case IoKind::kRead:
      if (count == 1) {
        return ::io_uring_prep_read(&entry, kRegisteredFile, call.pieces[0].iov_base,
                                    static_cast<unsigned>(call.len_bytes), call.offset);
      }
      return ::io_uring_prep_readv(&entry, kRegisteredFile, call.pieces.data(), count, call.offset);
    case IoKind::kWrite:
      if (count == 1) {
        return ::io_uring_prep_write(&entry, kRegisteredFile, call.pieces[0].iov_base,
                                     static_cast<unsigned>(call.len_bytes), call.offset);
      }
      return ::io_uring_prep_writev(&entry, kRegisteredFile, call.pieces.data(), count,
                                    call.offset);
    case IoKind::kDiscard:
    case IoKind::kZero:
      return ::io_uring_prep_fallocate(&entry, kRegisteredFile, FallocateMode(call),
                                       static_cast<off_t>(call.offset),
                                       static_cast<off_t>(call.len_bytes));
    case IoKind::kFlush:
      break;
  }
  ::io_uring_prep_fsync(&entry, kRegisteredFile, IORING_FSYNC_DATASYNC);
}

bool UringEngine::Submit() {
  // Rides along: Wait() need not submit it then.
  if (::io_uring_sq_ready(ring_) > 0 && IsWaiter()) PollBeside();
  while (::io_uring_sq_ready(ring_) > 0) {
    const int taken = ::io_uring_submit(ring_);
    if (taken <= 0 && taken != -EINTR) return false;
  }
  return true;
}

std::optional<UringEngine::Finished> UringEngine::TakeFromRing() {
  io_uring_cqe* entry = nullptr;
  while (::io_uring_peek_cqe(ring_, &entry) == 0) {
    const Finished finished{.tag = entry->user_data, .result = entry->res};
    ::io_uring_cqe_seen(ring_, entry);
    if (finished.tag == kNobody) continue;
    if (finished.tag == kBeside) {
      beside_polled_ = false;
      beside_readable_ = true;
      owes_wake_ = !IsWaiter();
      continue;
    }
    calls_[finished.tag].with_host = false;
    --with_host_;
    return finished;
  }
  return std::nullopt;
}

std::optional<IoCompletion> UringEngine::TakeFinished() {
  std::optional<Finished> finished;
  if (finished_.empty()) {
    finished = TakeFromRing();
  } else {
    finished = finished_.back();
    finished_.pop_back();
  }
  if (!finished) {
    WakeWaiter();
    return std::nullopt;
  }
  return IoCompletion{.tag = IoTag{static_cast<uint32_t>(finished->tag)},
                      .result = ResultOf(calls_[finished->tag].call, finished->result)};
}

IoResult UringEngine::ResultOf(const IoCall& call, int result) {
  const bool range = call.kind == IoKind::kDiscard || call.kind == IoKind::kZero;
  if (result >= 0) return range ? call.len_bytes : static_cast<uint64_t>(result);
  if (range && result == -EOPNOTSUPP) {
    can_fallocate_ = false;
    return DoWithoutRing(call);
  }
  // A file system that wants more alignment than it says.
  const bool transfer = call.kind == IoKind::kRead || call.kind == IoKind::kWrite;
  if (transfer && result == -EINVAL && file_.memory_alignment_bytes > 1) return DoWithoutRing(call);
  return Error::FromErrorNumber(NameOf(call.kind), -result);
}

void UringEngine::WaitForOne() {
  io_uring_cqe* entry = nullptr;
  const int failed = ::io_uring_wait_cqe(ring_, &entry);
  // Anything else says that the ring is not what we made it.
  EMBER_CHECK(failed == 0 || failed == -EINTR || failed == -EAGAIN);
}

void UringEngine::WithdrawUnsubmitted() {
  for (unsigned left = ::io_uring_sq_ready(ring_); left > 0; --left) {
    const unsigned index = (ring_->sq.sqe_tail - left) & *ring_->sq.kring_mask;
    io_uring_sqe& entry = ring_->sq.sqes[index];
    if (entry.user_data == kBeside) {
      beside_polled_ = false;
    } else if (entry.user_data != kNobody) {
      finished_.push_back({.tag = entry.user_data, .result = -EAGAIN});
      calls_[entry.user_data].with_host = false;
      --with_host_;
    }
    ::io_uring_prep_nop(&entry);
    ::io_uring_sqe_set_data64(&entry, kNobody);
  }
}

void UringEngine::WaitForAll() {
  if (!Submit()) WithdrawUnsubmitted();
  while (with_host_ > 0) {
    WaitForOne();
    while (const std::optional<Finished> finished = TakeFromRing()) finished_.push_back(*finished);
  }
  WakeWaiter();
}

void UringEngine::CancelAll() {
  for (uint64_t tag = 0; tag < calls_.size(); ++tag) {
    if (!calls_[tag].with_host) continue;
    io_uring_sqe* const entry = ::io_uring_get_sqe(ring_);
    if (entry == nullptr) return;
    ::io_uring_prep_cancel64(entry, tag, 0);
    ::io_uring_sqe_set_data64(entry, kNobody);
  }
  Submit();
}

void UringEngine::Stop() {
  WithdrawUnsubmitted();
  if (with_host_ > 0) CancelAll();
  WaitForAll();
  finished_.clear();
}

bool UringEngine::Prepare(int fd) {
  waiter_ = std::this_thread::get_id();
  beside_ = fd;
  PollBeside();
  Submit();
  return !beside_readable_ && beside_polled_ && ::io_uring_sq_ready(ring_) == 0;
}

// Touches nothing that others change: the host alone looks at the rings here.
void UringEngine::Wait() {
  ::io_uring_enter(static_cast<unsigned>(ring_->ring_fd), 0, 1, IORING_ENTER_GETEVENTS, nullptr);
}

void UringEngine::PollBeside() {
  if (beside_ < 0 || beside_polled_) return;
  io_uring_sqe* const entry = ::io_uring_get_sqe(ring_);
  if (entry == nullptr) return;
  ::io_uring_prep_poll_add(entry, beside_, POLLIN);
  ::io_uring_sqe_set_data64(entry, kBeside);
  beside_polled_ = true;
}

void UringEngine::WakeWaiter() {
  if (!std::exchange(owes_wake_, false)) return;
  io_uring_sqe* entry = nullptr;
  while ((entry = ::io_uring_get_sqe(ring_)) == nullptr) Submit();
  ::io_uring_prep_nop(entry);
  ::io_uring_sqe_set_data64(entry, kNobody);
  while (!Submit()) std::this_thread::yield();
}

bool UringEngine::StopPolling() {
  beside_ = -1;
  if (beside_polled_) {
    io_uring_sqe* const entry = ::io_uring_get_sqe(ring_);
    if (entry == nullptr) return false;
    ::io_uring_prep_cancel64(entry, kBeside, 0);
    ::io_uring_sqe_set_data64(entry, kNobody);
  }
  if (!Submit()) return false;
  while (beside_polled_) {
    WaitForOne();
    TakeFromRing();
  }
  return true;
}

Status UringEngine::UseDisk(Disk& disk) {
  EMBER_CHECK(with_host_ == 0 && finished_.empty());
  const std::optional<PlainFile> file = disk.plain_file();
  if (!file) return Error("io_engine Async cannot go on with a disk that is not a plain file");
  TRY(owner_->UseFile(file->fd));
  disk_ = &disk;
  file_ = *file;
  can_fallocate_ = true;
  return {};
}

}  // namespace

Result<std::unique_ptr<IoEngine>> CreateUringEngine(Disk& disk, SpareRings* spare) {
  const std::optional<PlainFile> file = disk.plain_file();
  if (!file) return Error("io_engine Async needs a disk that is a plain file");
  SpareRings none;
  std::unique_ptr<Ring> ring = TRY((spare == nullptr ? none : *spare).Take(kEntries, file->fd));
  return std::unique_ptr<IoEngine>(
      std::make_unique<UringEngine>(std::move(ring), spare, disk, *file));
}

}  // namespace ember::virtio
