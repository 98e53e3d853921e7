#include "api/log_stream.h"

#include "base/concat.h"

namespace ember::api {

void LogStream::AppendTo(std::string& out, TimePoint /*now*/) {
  const LogTail::Page page = tail_.From(place_, kPageBytes);
  if (page.lost_lines > 0) out += Concat("[", page.lost_lines, " lines lost]\n");
  out += page.text;
  place_ = page.next;
}

}  // namespace ember::api
