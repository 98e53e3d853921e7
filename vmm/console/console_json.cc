#include "vmm/console/console_json.h"

#include <variant>

#include "base/concat.h"
#include "vmm/config_json_reader.h"

namespace ember::vmm {
namespace {

constexpr Named<ConsoleResizeOrder> kResizeOrders[] = {
    {"ColumnsFirst", ConsoleResizeOrder::kColumnsFirst},
    {"RowsFirst", ConsoleResizeOrder::kRowsFirst}};

Result<ConsolePortConfig> ReadPort(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"id", "socket_path", "is_console", "log_bytes",
                                                 "output_path"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  ConsolePortConfig port;
  port.id = TRY(in.Required<std::string>("id"));
  port.socket_path = TRY(in.Required<std::string>("socket_path"));
  port.is_console = TRY(in.Optional<bool>("is_console")).value_or(port.is_console);
  port.log_bytes = TRY(in.Optional<uint64_t>("log_bytes")).value_or(port.log_bytes);
  port.output_path = TRY(in.Optional<std::string>("output_path"));
  return port;
}

Result<std::vector<ConsolePortConfig>> ReadPorts(const JsonValue* json) {
  if (json == nullptr) return Error("missing field `ports`");
  const auto* entries = std::get_if<JsonValue::Array>(&json->value);
  if (entries == nullptr) {
    return Error(Concat("ports: invalid type: ", DescribeJson(*json), ", expected a sequence"));
  }
  std::vector<ConsolePortConfig> ports;
  for (size_t i = 0; i < entries->size(); ++i) {
    ports.push_back(TRY_CONTEXT(ReadPort((*entries)[i]), Concat("ports[", i, "]")));
  }
  return ports;
}

}  // namespace

Result<ConsoleConfig> ReadConsole(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"ports", "resize_order", "thread"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  ConsoleConfig console;
  console.ports = TRY(ReadPorts(in.FindPart("ports")));
  console.resize_order =
      TRY(in.Optional("resize_order", kResizeOrders)).value_or(console.resize_order);
  console.thread = TRY(in.Optional("thread", kThreadChoices)).value_or(console.thread);
  return console;
}

Result<ConsoleResize> ReadConsoleResize(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"port", "columns", "rows"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  ConsoleResize resize;
  resize.port = TRY(in.Optional<std::string>("port"));
  resize.columns = TRY(in.Required<uint16_t>("columns"));
  resize.rows = TRY(in.Required<uint16_t>("rows"));
  return resize;
}

void WriteFields(JsonWriter& out, const ConsoleConfig& console) {
  out.BeginArray("ports");
  for (const ConsolePortConfig& port : console.ports) {
    out.BeginObject()
        .Field("id", port.id)
        .Field("socket_path", port.socket_path)
        .Field("is_console", port.is_console)
        .Field("log_bytes", port.log_bytes)
        .OptionalField("output_path", port.output_path)
        .EndObject();
  }
  out.EndArray()
      .Field("resize_order", NameOf(kResizeOrders, console.resize_order))
      .Field("thread", NameOf(kThreadChoices, console.thread));
}

}  // namespace ember::vmm
