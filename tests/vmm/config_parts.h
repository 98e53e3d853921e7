#ifndef EMBER_TESTS_VMM_CONFIG_PARTS_H_
#define EMBER_TESTS_VMM_CONFIG_PARTS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/concat.h"
#include "vmm/config_json.h"
#include "vmm/entropy/entropy_json.h"
#include "vmm/logger/logger_json.h"

// Every part of a configuration and every field of it, as the contract lists them: written down
// once more, apart from the code, so that a test can go through all of them.
namespace ember::vmm {

enum class Presence {
  kRequired,  // absent is an error, and so is null
  kDefault,   // absent is the default; null is an error
  kOptional,  // absent and null are the same
};
enum class FieldType { kBoolean, kString, kChoice, kU8, kU16, kU32, kU64 };

struct PartField {
  std::string_view name;
  Presence presence;
  FieldType type;
  std::string_view value;  // a good one, as JSON
};

struct Part {
  std::string_view name;
  std::vector<PartField> fields;
  std::string (*error)(std::string_view text);  // what reading `text` fails with; empty: nothing
};

template <typename T>
std::string ReadError(std::string_view text, Result<T> (*read)(const JsonValue&)) {
  const Result<JsonValue> json = ParseJson(text);
  if (!json) return json.error().message();
  const Result<T> value = read(*json);
  return value ? std::string() : value.error().message();
}

inline std::vector<Part> AllParts() {
  using enum Presence;
  using enum FieldType;
  return {
      {.name = "machine-config",
       .fields = {{"vcpu_count", kRequired, kU8, "2"},
                  {"mem_size_mib", kRequired, kU64, "256"},
                  {"smt", kDefault, kBoolean, "true"},
                  {"cpu_template", kOptional, kChoice, R"("T2")"},
                  {"track_dirty_pages", kDefault, kBoolean, "true"},
                  {"huge_pages", kDefault, kChoice, R"("2M")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadMachineConfig); }},
      {.name = "machine-config update",
       .fields = {{"vcpu_count", kOptional, kU8, "2"},
                  {"mem_size_mib", kOptional, kU64, "256"},
                  {"smt", kOptional, kBoolean, "true"},
                  {"cpu_template", kOptional, kChoice, R"("T2")"},
                  {"track_dirty_pages", kOptional, kBoolean, "true"},
                  {"huge_pages", kOptional, kChoice, R"("2M")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadMachineConfigUpdate); }},
      {.name = "boot-source",
       .fields = {{"kernel_image_path", kRequired, kString, R"("/kernel")"},
                  {"initrd_path", kOptional, kString, R"("/initrd")"},
                  {"boot_args", kOptional, kString, R"("quiet")"},
                  {"boot_protocol", kOptional, kChoice, R"("Pvh")"},
                  {"hardware_description", kOptional, kChoice, R"("Acpi")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadBootSource); }},
      {.name = "drive",
       .fields = {{"drive_id", kRequired, kString, R"("rootfs")"},
                  {"is_root_device", kRequired, kBoolean, "true"},
                  {"path_on_host", kRequired, kString, R"("/disk")"},
                  {"partuuid", kOptional, kString, R"("0eaa91a0-01")"},
                  {"cache_type", kDefault, kChoice, R"("Writeback")"},
                  {"is_read_only", kOptional, kBoolean, "true"},
                  {"io_engine", kOptional, kChoice, R"("Sync")"},
                  {"discard", kOptional, kBoolean, "false"},
                  {"direct", kOptional, kBoolean, "true"},
                  {"thread", kOptional, kChoice, R"("Own")"},
                  {"overlay_path", kOptional, kString, R"("/overlay")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadDrive); }},
      {.name = "balloon",
       .fields = {{"amount_mib", kRequired, kU32, "64"},
                  {"deflate_on_oom", kRequired, kBoolean, "true"},
                  {"stats_polling_interval_s", kDefault, kU16, "5"},
                  {"free_page_hinting", kDefault, kBoolean, "true"},
                  {"free_page_reporting", kDefault, kBoolean, "true"},
                  {"thread", kOptional, kChoice, R"("Own")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadBalloon); }},
      {.name = "balloon update",
       .fields = {{"amount_mib", kRequired, kU32, "64"}},
       .error = [](std::string_view text) { return ReadError(text, ReadBalloonUpdate); }},
      {.name = "balloon statistics update",
       .fields = {{"stats_polling_interval_s", kRequired, kU16, "5"}},
       .error = [](std::string_view text) { return ReadError(text, ReadBalloonStatisticsUpdate); }},
      {.name = "balloon hinting start",
       .fields = {{"acknowledge_on_stop", kDefault, kBoolean, "false"}},
       .error = [](std::string_view text) { return ReadError(text, ReadBalloonHintingStart); }},
      {.name = "pmem",
       .fields = {{"id", kRequired, kString, R"("p0")"},
                  {"path_on_host", kRequired, kString, R"("/disk")"},
                  {"root_device", kDefault, kBoolean, "true"},
                  {"read_only", kDefault, kBoolean, "true"},
                  {"thread", kOptional, kChoice, R"("Own")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadPmem); }},
      {.name = "pmem update",
       .fields = {{"id", kRequired, kString, R"("p0")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadPmemUpdate); }},
      {.name = "network interface",
       .fields = {{"iface_id", kRequired, kString, R"("eth0")"},
                  {"host_dev_name", kRequired, kString, R"("tap0")"},
                  {"guest_mac", kOptional, kString, R"("06:00:c0:a8:00:01")"},
                  {"mtu", kOptional, kU16, "1500"},
                  {"queue_pairs", kOptional, kU16, "2"},
                  {"thread", kOptional, kChoice, R"("Own")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadNetworkInterface); }},
      {.name = "network interface by descriptor",
       .fields = {{"iface_id", kRequired, kString, R"("eth0")"},
                  {"socket_path", kOptional, kString, R"("/passt")"},
                  {"tap_fd", kOptional, kU32, "3"}},
       .error = [](std::string_view text) { return ReadError(text, ReadNetworkInterface); }},
      {.name = "entropy",
       .fields = {{"thread", kOptional, kChoice, R"("Own")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadEntropy); }},
      {.name = "logger",
       .fields = {{"log_path", kOptional, kString, R"("/log")"},
                  {"show_level", kOptional, kBoolean, "true"},
                  {"show_log_origin", kOptional, kBoolean, "true"},
                  {"module", kOptional, kString, R"("vmm")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadLogger); }},
      {.name = "serial",
       .fields = {{"serial_out_path", kOptional, kString, R"("/console")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadSerial); }},
      {.name = "memory-hotplug",
       .fields = {{"total_size_mib", kRequired, kU32, "1024"},
                  {"block_size_mib", kDefault, kU32, "4"},
                  {"slot_size_mib", kDefault, kU32, "256"},
                  {"thread", kOptional, kChoice, R"("Own")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadMemoryHotplug); }},
      {.name = "memory-hotplug update",
       .fields = {{"requested_size_mib", kRequired, kU32, "64"}},
       .error = [](std::string_view text) { return ReadError(text, ReadMemoryHotplugUpdate); }},
      {.name = "vsock",
       .fields = {{"guest_cid", kRequired, kU32, "3"},
                  {"uds_path", kRequired, kString, R"("/v.sock")"},
                  {"vsock_id", kOptional, kString, R"("vsock0")"},
                  {"thread", kOptional, kChoice, R"("Own")"}},
       .error = [](std::string_view text) { return ReadError(text, ReadVsock); }},
  };
}

// The object of `fields`, but the one named `changed` with `value`, or without it if that is empty.
inline std::string ObjectText(std::span<const PartField> fields, std::string_view changed = {},
                              std::string_view value = {}) {
  std::string text;
  for (const PartField& field : fields) {
    const std::string_view now = field.name == changed ? value : field.value;
    if (now.empty()) continue;
    text += Concat(text.empty() ? "" : ",", "\"", field.name, "\":", now);
  }
  return Concat("{", text, "}");
}

}  // namespace ember::vmm

#endif  // EMBER_TESTS_VMM_CONFIG_PARTS_H_
