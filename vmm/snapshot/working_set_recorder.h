#ifndef EMBER_VMM_SNAPSHOT_WORKING_SET_RECORDER_H_
#define EMBER_VMM_SNAPSHOT_WORKING_SET_RECORDER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/thread.h"
#include "base/thread_annotations.h"
#include "memory/guest_memory.h"
#include "memory/page_delivery.h"
#include "memory/user_faults.h"
#include "snapshot/memory_file.h"

namespace ember::vmm {

// Delivers a restored machine's memory out of its file, page by page as it is touched, and notes
// which pages these are: what a later restoration reads at once (vmm/snapshot/working_set.h). Of
// memory that was given back since it notes nothing: that is not in the file any more. Its thread,
// "faults", waits for nobody and touches no guest memory. The machine's, for as long as it has
// threads that touch its memory. Methods from any thread.
class WorkingSetRecorder {
 public:
  // Told once, on its thread, of a page that cannot be had, however often it is tried; who touches
  // it fails, as do all others that cannot be had, and no zeros are in their place.
  using OnFailure = std::function<void(const Error&)>;

  // For all of `memory`, which nobody has touched, of `file`, which has its length; both outlive
  // it. An error where the host allows no such memory (memory/user_faults.h).
  static Result<std::unique_ptr<WorkingSetRecorder>> Start(const GuestMemory& memory,
                                                           const Fd& file, OnFailure on_failure);
  // Whoever waits for a page then would wait for ever: nobody may.
  ~WorkingSetRecorder();
  WorkingSetRecorder(const WorkingSetRecorder&) = delete;
  WorkingSetRecorder& operator=(const WorkingSetRecorder&) = delete;

  // What is touched from now on is delivered and not noted.
  void StopNoting() EXCLUDES(mutex_);
  // The pages that were touched until now.
  snapshot::PageBits pages() const EXCLUDES(mutex_);

 private:
  struct Place {
    size_t piece = 0;
    uint64_t page = 0;
  };
  // A page that somebody waits for.
  struct Wanted {
    std::byte* host = nullptr;
    uint32_t failures = 0;
  };

  WorkingSetRecorder(const GuestMemory& memory, const Fd& file, UserFaults faults, Fd stop,
                     OnFailure on_failure);
  void Work();
  // False at the end.
  bool Await();
  void TakeEvents();
  // Of pages that are zeros from now on.
  void NoteGivenBack(const PageEvent& event);
  // False if it has to be tried again.
  bool Deliver(Wanted& wanted);
  Result<Delivery> DeliverFromFile(const Place& place, std::byte* host);
  Place PlaceOf(const std::byte* host) const;
  void Note(const Place& place) EXCLUDES(mutex_);
  // Of `failures` in a row; a few may be of the moment. False until they are too many.
  bool Report(uint32_t failures, const Error& error);

  const uint64_t page_bytes_;
  const std::vector<snapshot::MemoryPiece> pieces_;
  const Fd& file_;
  const UserFaults faults_;
  const Fd stop_;
  const OnFailure on_failure_;

  // The thread's.
  snapshot::PageBits given_back_;
  std::vector<Wanted> wanted_;
  std::vector<std::byte> page_;
  uint32_t read_failures_ = 0;  // in a row
  bool reported_ = false;

  mutable Mutex mutex_;
  bool is_noting_ GUARDED_BY(mutex_) = true;
  snapshot::PageBits touched_ GUARDED_BY(mutex_);

  Thread thread_;  // last: uses the rest
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_WORKING_SET_RECORDER_H_
