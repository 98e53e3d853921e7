#include "api/survey_under_way.h"

#include <utility>

#include "sandbox/confinement.h"

namespace ember::api {

std::shared_ptr<SurveyUnderWay> SurveyUnderWay::Begin(std::vector<vmm::HostRange> guest,
                                                      std::shared_ptr<Waker> waker) {
  std::shared_ptr<SurveyUnderWay> survey(new SurveyUnderWay(std::move(waker)));
  // It stays there for others to share until it begins, and so is the only one of its kind.
  sandbox::PostToWorker(
      [survey, guest = std::move(guest)]() mutable { survey->Start(std::move(guest)); });
  return survey;
}

void SurveyUnderWay::Start(std::vector<vmm::HostRange> guest) {
  Result<Thread> thread =
      Thread::Start("memory", [this, guest = std::move(guest)] { Put(SurveyMemory(guest)); });
  if (!thread) return Put(std::move(thread).error());
  thread_ = *std::move(thread);
}

void SurveyUnderWay::Wait() {
  const MutexLock lock(mutex_);
  while (!result_) has_result_.Wait(mutex_);
}

const Result<MemorySurvey>* SurveyUnderWay::result() const {
  const MutexLock lock(mutex_);
  return result_ ? &*result_ : nullptr;
}

void SurveyUnderWay::Put(Result<MemorySurvey> result) {
  {
    const MutexLock lock(mutex_);
    result_.emplace(std::move(result));
    has_result_.NotifyAll();
  }
  waker_->Wake();
}

}  // namespace ember::api
