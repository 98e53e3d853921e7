#include "api/event_stream.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <string_view>
#include <utility>
#include <variant>

#include "vmm/config_json_writer.h"

namespace ember::api {
namespace {

// Records that are looked at together; the page's size ends it earlier where they are long.
constexpr size_t kPageRecords = 64;

// RFC 3339, in UTC with microseconds.
std::string TimeText(std::chrono::nanoseconds since_epoch) {
  constexpr int64_t kMicrosPerSecond = 1'000'000;
  const int64_t micros = since_epoch / std::chrono::microseconds(1);
  const std::time_t seconds = micros / kMicrosPerSecond;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> date{};
  const size_t length = std::strftime(date.data(), date.size(), "%FT%T", &parts);
  std::array<char, 12> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%06dZ",
                static_cast<int>(micros % kMicrosPerSecond));
  return std::string(date.data(), length) + fraction.data();
}

vmm::JsonWriter BeginLine(uint64_t sequence, std::chrono::nanoseconds time,
                          std::string_view event) {
  vmm::JsonWriter line;
  line.BeginObject().Field("seq", sequence).Field("time", TimeText(time)).Field("event", event);
  return line;
}

void EndLine(vmm::JsonWriter line, std::string& out) {
  line.EndObject();
  out += std::move(line).Take();
  out += '\n';
}

std::chrono::nanoseconds WallTime() { return std::chrono::system_clock::now().time_since_epoch(); }

void AppendRecord(const Journal::Record& record, std::string& out) {
  vmm::JsonWriter line = BeginLine(record.sequence, record.time, record.event);
  for (const Journal::Field& field : record.fields) {
    std::visit([&](const auto& value) { line.Field(field.name, value); }, field.value);
  }
  EndLine(std::move(line), out);
}

}  // namespace

void EventStream::AppendTo(std::string& out, TimePoint now) {
  const size_t limit = out.size() + kPageBytes;
  const Journal::Page page = journal_.After(sent_, kPageRecords);
  if (page.lost > 0) {
    sent_ += page.lost;
    vmm::JsonWriter line = BeginLine(sent_, WallTime(), "lost");
    line.Field("count", page.lost);
    EndLine(std::move(line), out);
    last_line_ = now;
  }
  for (const Journal::Record& record : page.records) {
    if (out.size() >= limit) break;
    AppendRecord(record, out);
    sent_ = record.sequence;
    last_line_ = now;
  }
  if (now < next_look()) return;
  EndLine(BeginLine(sent_, WallTime(), "heartbeat"), out);
  last_line_ = now;
}

EventStream::TimePoint EventStream::next_look() const {
  return heartbeat_.count() == 0 ? TimePoint::max() : last_line_ + heartbeat_;
}

}  // namespace ember::api
