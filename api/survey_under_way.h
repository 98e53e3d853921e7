#ifndef EMBER_API_SURVEY_UNDER_WAY_H_
#define EMBER_API_SURVEY_UNDER_WAY_H_

#include <memory>
#include <optional>
#include <vector>

#include "api/memory_survey.h"
#include "api/waker.h"
#include "base/result.h"
#include "base/thread.h"
#include "base/thread_annotations.h"

namespace ember::api {

// A memory survey on a thread of its own, as it takes its time where the guest is large. Shared by
// all who ask while it goes on, so that there is one such thread whatever clients do. Used on the
// API's thread.
class SurveyUnderWay {
 public:
  // Wakes `waker` when there is a result. Errors: no thread to be had.
  static Result<std::shared_ptr<SurveyUnderWay>> Begin(std::vector<vmm::HostRange> guest,
                                                       std::shared_ptr<Waker> waker);

  // Null while it goes on; good for its life.
  const Result<MemorySurvey>* result() const EXCLUDES(mutex_);
  // Waits until there is a result.
  void Wait() { thread_.Join(); }

 private:
  SurveyUnderWay() = default;
  void Put(Result<MemorySurvey> result) EXCLUDES(mutex_);

  mutable Mutex mutex_;
  std::optional<Result<MemorySurvey>> result_ GUARDED_BY(mutex_);  // set once

  Thread thread_;  // last, so that it ends before what it uses
};

}  // namespace ember::api

#endif  // EMBER_API_SURVEY_UNDER_WAY_H_
