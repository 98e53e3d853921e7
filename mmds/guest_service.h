#ifndef EMBER_MMDS_GUEST_SERVICE_H_
#define EMBER_MMDS_GUEST_SERVICE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/thread_annotations.h"
#include "mmds/http_request.h"
#include "mmds/metadata.h"
#include "mmds/random.h"
#include "mmds/token_table.h"

namespace ember::mmds {

// What answers a guest's requests, over whichever interface they come: the metadata, and tokens to
// read them with. One a machine; made and destroyed with it. Any thread.
class GuestService {
 public:
  struct Options {
    bool needs_token = true;   // version 2; version 1 gives and takes tokens, and needs none
    bool always_text = false;  // whatever the guest accepts
    const Clock* clock = &MonotonicClock();
    FillRandom random = FillFromKernel;
  };
  // The longest head of a request that is looked at.
  static constexpr size_t kMaxHeadBytes = 4096;

  GuestService(Metadata& metadata, const Options& options)
      : metadata_(metadata), options_(options), tokens_(options.random) {}

  struct Answer {
    std::string bytes;  // on the wire
    bool keep_alive = true;
  };
  // What to answer to the head of a request, which ends with an empty line.
  Answer Handle(std::string_view head) EXCLUDES(mutex_);
  // What to answer to what can be no request.
  static Answer Refuse();

  MmdsMetrics& metrics() const { return metadata_.metrics; }

 private:
  struct Response;
  Response Respond(const HttpRequest& request) EXCLUDES(mutex_);
  Response Get(const HttpRequest& request) EXCLUDES(mutex_);
  Response Put(const HttpRequest& request) EXCLUDES(mutex_);
  Response Read(const HttpRequest& request) const;
  static Answer Write(const Response& response, std::string_view version, bool keep_alive);

  Metadata& metadata_;
  const Options options_;

  Mutex mutex_;
  TokenTable tokens_ GUARDED_BY(mutex_);
};

}  // namespace ember::mmds

#endif  // EMBER_MMDS_GUEST_SERVICE_H_
