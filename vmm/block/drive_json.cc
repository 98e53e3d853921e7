#include "vmm/block/drive_json.h"

#include "base/concat.h"
#include "vmm/config_json_reader.h"
#include "vmm/rate_limiter/rate_limiter_json.h"

namespace ember::vmm {
namespace {

constexpr Named<CacheType> kCacheTypes[] = {{"Unsafe", CacheType::kUnsafe},
                                            {"Writeback", CacheType::kWriteback}};
constexpr Named<IoEngine> kIoEngines[] = {{"Sync", IoEngine::kSync}, {"Async", IoEngine::kAsync}};

// Fields that have no meaning for an image that another process opens, even at their defaults.
Status ForbidBesideSocket(const ObjectReader& in) {
  for (const std::string_view field :
       {"path_on_host", "is_read_only", "rate_limiter", "io_engine"}) {
    const JsonValue* const value = in.FindPart(field);
    if (value != nullptr && !value->is_null()) {
      return Error(Concat(field, ": not allowed beside socket"));
    }
  }
  return {};
}

void WriteImageFields(JsonWriter& out, const DriveConfig& drive) {
  if (drive.socket) {
    out.Null("is_read_only").Null("path_on_host").Null("rate_limiter").Null("io_engine");
    out.Field("socket", *drive.socket);
    return;
  }
  out.Field("is_read_only", drive.is_read_only).Field("path_on_host", drive.path_on_host);
  WriteRateLimiter(out, "rate_limiter", drive.rate_limiter);
  out.Field("io_engine", NameOf(kIoEngines, drive.io_engine)).Null("socket");
}

}  // namespace

Result<DriveConfig> ReadDrive(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {
      "drive_id",     "partuuid",     "is_root_device", "cache_type", "is_read_only",
      "path_on_host", "rate_limiter", "io_engine",      "socket",     "discard",
      "thread",       "overlay_path", "queues",         "direct"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  DriveConfig drive;
  drive.drive_id = TRY(in.Required<std::string>("drive_id"));
  drive.is_root_device = TRY(in.Required<bool>("is_root_device"));
  drive.socket = TRY(in.Optional<std::string>("socket"));
  if (drive.socket) {
    TRY(ForbidBesideSocket(in));
  } else {
    drive.path_on_host = TRY(in.Required<std::string>("path_on_host"));
  }
  drive.partuuid = TRY(in.Optional<std::string>("partuuid"));
  drive.cache_type = TRY(in.WithDefault("cache_type", kCacheTypes, drive.cache_type));
  drive.is_read_only = TRY(in.Optional<bool>("is_read_only")).value_or(drive.is_read_only);
  drive.io_engine = TRY(in.Optional("io_engine", kIoEngines)).value_or(drive.io_engine);
  drive.thread = TRY(in.Optional("thread", kThreadChoices)).value_or(drive.thread);
  drive.overlay_path = TRY(in.Optional<std::string>("overlay_path"));
  drive.rate_limiter = TRY(ReadRateLimiter(in, "rate_limiter"));
  drive.discard = TRY(in.Optional<bool>("discard")).value_or(drive.discard);
  drive.queues = TRY(in.Optional<uint16_t>("queues")).value_or(drive.queues);
  drive.direct = TRY(in.Optional<bool>("direct")).value_or(drive.direct);
  return drive;
}

Result<DriveUpdate> ReadDriveUpdate(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"drive_id", "path_on_host", "rate_limiter"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  DriveUpdate update;
  update.drive_id = TRY(in.Required<std::string>("drive_id"));
  update.path_on_host = TRY(in.Optional<std::string>("path_on_host"));
  update.rate_limiter = TRY(ReadRateLimiter(in, "rate_limiter"));
  return update;
}

void WriteFields(JsonWriter& out, const DriveConfig& drive) {
  out.Field("drive_id", drive.drive_id)
      .OptionalField("partuuid", drive.partuuid)
      .Field("is_root_device", drive.is_root_device)
      .Field("cache_type", NameOf(kCacheTypes, drive.cache_type));
  WriteImageFields(out, drive);
  // What is not of the contract's first day is there only where it says something.
  if (drive.discard) out.Field("discard", true);
  if (drive.thread != ThreadChoice::kVmm) {
    out.Field("thread", NameOf(kThreadChoices, drive.thread));
  }
  if (drive.overlay_path) out.Field("overlay_path", *drive.overlay_path);
  if (drive.queues != 1) out.Field("queues", drive.queues);
  if (drive.direct) out.Field("direct", true);
}

}  // namespace ember::vmm
