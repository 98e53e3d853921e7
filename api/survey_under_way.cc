#include "api/survey_under_way.h"

#include <utility>

#include "sandbox/confinement.h"

namespace ember::api {

Result<std::shared_ptr<SurveyUnderWay>> SurveyUnderWay::Begin(std::vector<vmm::HostRange> guest,
                                                              std::shared_ptr<Waker> waker) {
  std::shared_ptr<SurveyUnderWay> survey(new SurveyUnderWay);
  SurveyUnderWay* const self = survey.get();
  Result<Thread> thread = Thread();
  // Started, as it opens a file, where that may be done.
  sandbox::RunOnWorker([&] {
    thread = Thread::Start("memory", [self, guest = std::move(guest), waker = std::move(waker)] {
      self->Put(SurveyMemory(guest));
      waker->Wake();
    });
  });
  survey->thread_ = TRY(std::move(thread));
  return survey;
}

const Result<MemorySurvey>* SurveyUnderWay::result() const {
  const MutexLock lock(mutex_);
  return result_ ? &*result_ : nullptr;
}

void SurveyUnderWay::Put(Result<MemorySurvey> result) {
  const MutexLock lock(mutex_);
  result_.emplace(std::move(result));
}

}  // namespace ember::api
