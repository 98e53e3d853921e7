#ifndef EMBER_API_SURVEY_UNDER_WAY_H_
#define EMBER_API_SURVEY_UNDER_WAY_H_

#include <memory>
#include <optional>
#include <utility>
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
  // Wakes `waker` when there is a result. Does not wait for anything: where this thread is confined
  // the survey begins once the worker is free.
  static std::shared_ptr<SurveyUnderWay> Begin(std::vector<vmm::HostRange> guest,
                                               std::shared_ptr<Waker> waker);

  // Null while it goes on; good for its life.
  const Result<MemorySurvey>* result() const EXCLUDES(mutex_);
  // Waits until there is a result.
  void Wait() EXCLUDES(mutex_);

 private:
  explicit SurveyUnderWay(std::shared_ptr<Waker> waker) : waker_(std::move(waker)) {}
  // Where files may be opened.
  void Start(std::vector<vmm::HostRange> guest);
  void Put(Result<MemorySurvey> result) EXCLUDES(mutex_);

  const std::shared_ptr<Waker> waker_;
  mutable Mutex mutex_;
  CondVar has_result_;
  std::optional<Result<MemorySurvey>> result_ GUARDED_BY(mutex_);  // set once

  Thread thread_;  // of who starts it; last, so that it ends before what it uses
};

}  // namespace ember::api

#endif  // EMBER_API_SURVEY_UNDER_WAY_H_
