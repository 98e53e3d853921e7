#ifndef EMBER_TESTS_FAKES_RECORDING_REQUEST_SINK_H_
#define EMBER_TESTS_FAKES_RECORDING_REQUEST_SINK_H_

#include <vector>

#include "base/thread_annotations.h"
#include "devices/vm_request.h"

namespace ember {

// Keeps what was asked of the machine, in order. Any thread.
class RecordingRequestSink final : public VmRequestSink {
 public:
  void Request(VmRequest request) override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    requests_.push_back(request);
  }

  std::vector<VmRequest> requests() const EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return requests_;
  }

 private:
  mutable Mutex mutex_;
  std::vector<VmRequest> requests_ GUARDED_BY(mutex_);
};

}  // namespace ember

#endif  // EMBER_TESTS_FAKES_RECORDING_REQUEST_SINK_H_
