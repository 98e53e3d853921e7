#include "vmm/snapshot/snapshot_json.h"

#include <utility>

#include "vmm/config_json_reader.h"
#include "vmm/snapshot/overrides_json.h"

namespace ember::vmm {
namespace {

constexpr Named<SnapshotType> kTypes[] = {{"Full", SnapshotType::kFull},
                                          {"Diff", SnapshotType::kDiff}};
constexpr Named<MemoryBackendType> kBackendTypes[] = {{"File", MemoryBackendType::kFile},
                                                      {"Uffd", MemoryBackendType::kUffd}};

// HugePages, and as a value of its own that of the saved machine.
enum class RestoredHugePages : uint8_t { kAsSaved, kNone, kTransparent, k2M };
constexpr Named<RestoredHugePages> kHugePages[] = {{"Snapshot", RestoredHugePages::kAsSaved},
                                                   {"None", RestoredHugePages::kNone},
                                                   {"Transparent", RestoredHugePages::kTransparent},
                                                   {"2M", RestoredHugePages::k2M}};

std::optional<HugePages> ToHugePages(RestoredHugePages pages) {
  switch (pages) {
    case RestoredHugePages::kNone:
      return HugePages::kNone;
    case RestoredHugePages::kTransparent:
      return HugePages::kTransparent;
    case RestoredHugePages::k2M:
      return HugePages::k2M;
    case RestoredHugePages::kAsSaved:
      break;
  }
  return std::nullopt;
}

Result<SnapshotMemory> ReadBackend(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"backend_type", "backend_path",
                                                 "record_working_set", "working_set_path"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  SnapshotMemory memory;
  memory.backend_type = TRY(in.Required("backend_type", kBackendTypes));
  memory.backend_path = TRY(in.Required<std::string>("backend_path"));
  memory.record_working_set = TRY(in.WithDefault("record_working_set", memory.record_working_set));
  memory.working_set_path = TRY(in.Optional<std::string>("working_set_path"));
  return memory;
}

Result<SnapshotMemory> ReadMemory(const ObjectReader& in) {
  std::optional<std::string> path = TRY(in.Optional<std::string>("mem_file_path"));
  const JsonValue* const backend = in.FindPart("mem_backend");
  if (backend == nullptr) {
    if (path) return SnapshotMemory{.backend_path = *std::move(path)};
    return Error("missing field: either `mem_backend` or `mem_file_path` is required");
  }
  SnapshotMemory memory = TRY_CONTEXT(ReadBackend(*backend), "mem_backend");
  if (!path) return memory;
  return Error("too many fields: either `mem_backend` or `mem_file_path` exclusively is required");
}

// What is to be other than in the machine that was.
Status ReadChanges(const JsonValue& json, const ObjectReader& in, SnapshotLoad& load) {
  load.resume_vm = TRY(in.WithDefault("resume_vm", load.resume_vm));
  load.overrides = TRY(ReadOverrides(json));
  load.clock_realtime = TRY(in.WithDefault("clock_realtime", load.clock_realtime));
  return {};
}

}  // namespace

Result<SnapshotCreation> ReadSnapshotCreation(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"mem_file_path", "snapshot_path", "snapshot_type"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  SnapshotCreation creation;
  creation.mem_file_path = TRY(in.Required<std::string>("mem_file_path"));
  creation.snapshot_path = TRY(in.Required<std::string>("snapshot_path"));
  creation.snapshot_type = TRY(in.WithDefault("snapshot_type", kTypes, creation.snapshot_type));
  return creation;
}

Result<WorkingSetFile> ReadWorkingSetFile(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"working_set_path"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  return WorkingSetFile{.working_set_path = TRY(in.Required<std::string>("working_set_path"))};
}

Result<SnapshotLoad> ReadSnapshotLoad(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {
      "snapshot_path",     "mem_backend",           "mem_file_path",
      "track_dirty_pages", "enable_diff_snapshots", "resume_vm",
      "network_overrides", "vsock_override",        "drive_overrides",
      "pmem_overrides",    "console_overrides",     "clock_realtime",
      "huge_pages"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  SnapshotLoad load;
  load.snapshot_path = TRY(in.Required<std::string>("snapshot_path"));
  const bool diffs = TRY(in.WithDefault("enable_diff_snapshots", false));
  load.track_dirty_pages = TRY(in.WithDefault("track_dirty_pages", false)) || diffs;
  TRY(ReadChanges(json, in, load));
  load.huge_pages =
      ToHugePages(TRY(in.WithDefault("huge_pages", kHugePages, RestoredHugePages::kAsSaved)));
  load.memory = TRY(ReadMemory(in));
  return load;
}

Result<SnapshotLoad> ReadHandedLoad(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {
      "track_dirty_pages", "resume_vm",      "network_overrides", "vsock_override",
      "drive_overrides",   "pmem_overrides", "console_overrides", "clock_realtime"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  SnapshotLoad load{.resume_vm = true};
  load.track_dirty_pages = TRY(in.WithDefault("track_dirty_pages", load.track_dirty_pages));
  TRY(ReadChanges(json, in, load));
  return load;
}

}  // namespace ember::vmm
