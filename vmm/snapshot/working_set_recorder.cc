#include "vmm/snapshot/working_set_recorder.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "base/concat.h"
#include "sandbox/confinement.h"

namespace ember::vmm {
namespace {

constexpr uint64_t kBitsPerWord = 64;
// How soon a page that could not be delivered is tried again, and how often.
constexpr int kRetryMs = 1;
constexpr uint32_t kMostFailures = 10;

// A bit for each page of the pieces, all clear.
snapshot::PageBits NoPages(const std::vector<snapshot::MemoryPiece>& pieces) {
  snapshot::PageBits bits;
  for (const snapshot::MemoryPiece& piece : pieces) {
    const uint64_t pages = piece.region.range.size_bytes / DirtyPages::kPageBytes;
    bits.emplace_back((pages + kBitsPerWord - 1) / kBitsPerWord);
  }
  return bits;
}

void SetBit(std::vector<uint64_t>& words, uint64_t bit) {
  words[bit / kBitsPerWord] |= uint64_t{1} << (bit % kBitsPerWord);
}
bool HasBit(const std::vector<uint64_t>& words, uint64_t bit) {
  return (words[bit / kBitsPerWord] >> (bit % kBitsPerWord) & 1) != 0;
}

}  // namespace

Result<std::unique_ptr<WorkingSetRecorder>> WorkingSetRecorder::Start(const GuestMemory& memory,
                                                                      const Fd& file,
                                                                      OnFailure on_failure) {
  UserFaults faults = TRY(UserFaults::Begin(memory));
  Fd stop = TRY(CreateEventFd());
  std::unique_ptr<WorkingSetRecorder> recorder(new WorkingSetRecorder(
      memory, file, std::move(faults), std::move(stop), std::move(on_failure)));
  recorder->thread_ = TRY(Thread::Start("faults", [&self = *recorder] {
    sandbox::Confine(sandbox::ThreadKind::kFaults);
    self.Work();
  }));
  return recorder;
}

WorkingSetRecorder::WorkingSetRecorder(const GuestMemory& memory, const Fd& file, UserFaults faults,
                                       Fd stop, OnFailure on_failure)
    : page_bytes_(memory.page_bytes()),
      pieces_(snapshot::PiecesOf(memory)),
      file_(file),
      faults_(std::move(faults)),
      stop_(std::move(stop)),
      on_failure_(std::move(on_failure)),
      given_back_(NoPages(pieces_)),
      page_(page_bytes_),
      touched_(NoPages(pieces_)) {
  EMBER_CHECK(page_bytes_ == DirtyPages::kPageBytes);
}

WorkingSetRecorder::~WorkingSetRecorder() {
  // It was never written to, and has room.
  static_cast<void>(::eventfd_write(stop_.get(), 1));
  thread_.Join();
}

void WorkingSetRecorder::StopNoting() {
  const MutexLock lock(mutex_);
  is_noting_ = false;
}

snapshot::PageBits WorkingSetRecorder::pages() const {
  const MutexLock lock(mutex_);
  return touched_;
}

void WorkingSetRecorder::Work() {
  while (Await()) {
    TakeEvents();
    std::erase_if(wanted_, [this](Wanted& wanted) { return Deliver(wanted); });
  }
}

bool WorkingSetRecorder::Await() {
  std::array<pollfd, 2> waits{pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                              pollfd{.fd = faults_.fd().get(), .events = POLLIN, .revents = 0}};
  // Where it fails, what it would have told of is looked for.
  const int ready = ::poll(waits.data(), waits.size(), wanted_.empty() ? -1 : kRetryMs);
  return ready <= 0 || waits[0].revents == 0;
}

void WorkingSetRecorder::TakeEvents() {
  const Result<std::vector<PageEvent>> events = ReadPageEvents(faults_, page_bytes_);
  if (!events) {
    Report(++read_failures_, events.error());
    return;
  }
  read_failures_ = 0;
  for (const PageEvent& event : *events) {
    if (event.kind == PageEvent::Kind::kMissing) {
      wanted_.push_back({.host = event.host});
    } else {
      NoteGivenBack(event);
    }
  }
}

void WorkingSetRecorder::NoteGivenBack(const PageEvent& event) {
  const Place first = PlaceOf(event.host);
  for (uint64_t i = 0; i < event.size_bytes / page_bytes_; ++i) {
    SetBit(given_back_[first.piece], first.page + i);
  }
}

bool WorkingSetRecorder::Deliver(Wanted& wanted) {
  const Place place = PlaceOf(wanted.host);
  const Result<Delivery> delivery = HasBit(given_back_[place.piece], place.page)
                                        ? DeliverZeros(faults_, wanted.host, page_bytes_)
                                        : DeliverFromFile(place, wanted.host);
  if (delivery) return *delivery == Delivery::kDone;
  return Report(++wanted.failures, delivery.error()) &&
         DenyPage(faults_, wanted.host, page_bytes_).has_value();
}

Result<Delivery> WorkingSetRecorder::DeliverFromFile(const Place& place, std::byte* host) {
  const uint64_t offset = pieces_[place.piece].file_offset_bytes + place.page * page_bytes_;
  TRY_CONTEXT(ReadExactAt(file_, offset, page_), Concat("the page at ", offset));
  // Before whoever waits for it can go on.
  Note(place);
  return DeliverPage(faults_, host, page_);
}

WorkingSetRecorder::Place WorkingSetRecorder::PlaceOf(const std::byte* host) const {
  // Addresses as numbers: pointers into different objects have no order.
  const auto offset_in = [host](const GuestMemory::Region& region) {
    return std::bit_cast<uintptr_t>(host) - std::bit_cast<uintptr_t>(region.host);
  };
  size_t i = 0;
  while (i < pieces_.size() && offset_in(pieces_[i].region) >= pieces_[i].region.range.size_bytes) {
    ++i;
  }
  EMBER_CHECK(i < pieces_.size());
  return {.piece = i, .page = offset_in(pieces_[i].region) / page_bytes_};
}

void WorkingSetRecorder::Note(const Place& place) {
  const MutexLock lock(mutex_);
  if (is_noting_) SetBit(touched_[place.piece], place.page);
}

bool WorkingSetRecorder::Report(uint32_t failures, const Error& error) {
  if (failures < kMostFailures) return false;
  if (!std::exchange(reported_, true)) on_failure_(error);
  return true;
}

}  // namespace ember::vmm
