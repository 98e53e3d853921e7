#include "api/event_stream.h"

#include <array>
#include <cstdio>
#include <string_view>
#include <utility>
#include <variant>

#include "vmm/config_json_writer.h"

namespace ember::api {
namespace {

// Records that are looked at together; the page's size ends it earlier where they are long.
constexpr size_t kPageRecords = 64;

// RFC 3339, in UTC with microseconds. By <chrono>'s calendar: gmtime_r() reads the time zone's file
// at its first call, which a filter does not let pass.
std::string TimeText(std::chrono::nanoseconds since_epoch) {
  const std::chrono::sys_time<std::chrono::microseconds> moment(
      std::chrono::floor<std::chrono::microseconds>(since_epoch));
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(moment - day);
  std::array<char, 96> text{};
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
      static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
      static_cast<int>(time.subseconds().count()));
  return {text.data(), static_cast<size_t>(length)};
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
