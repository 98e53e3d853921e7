// What clients ask of the console of a machine that runs.
#include <utility>

#include "base/concat.h"
#include "vmm/console/console_device.h"
#include "vmm/device_set.h"

namespace ember::vmm {
namespace {

// Where a client names no port, it means the first.
Result<size_t> FindPort(const virtio::ConsoleDevice& device,
                        const std::optional<std::string>& name) {
  if (!name) return size_t{0};
  const std::optional<size_t> port = device.FindPort(*name);
  if (!port) return Error(Concat("console port ", *name, " is not there"));
  return *port;
}

Error NoConsole() { return Error("No console device found."); }

}  // namespace

Result<Reply> DeviceSet::Do(const AttachConsole& action, VmConfig& /*config*/) {
  if (!console_) return NoConsole();
  virtio::ConsoleDevice& device = *console_->device;
  const size_t port = TRY(FindPort(device, action.port));
  std::optional<HandedSocket::Parts> parts = action.socket->Take();
  if (!parts) return Error("the client has gone");
  TRY(console_->attachment->WithDevice([&] {
    return device.Attach(
        port, std::move(parts->fd),
        {.greeting = std::move(parts->greeting), .input = std::move(parts->input)});
  }));
  return Reply{};
}

Result<Reply> DeviceSet::Do(const ResizeConsole& action, VmConfig& /*config*/) {
  const ConsoleResize& resize = action.resize;
  TRY(Validate(resize));
  if (!console_) return NoConsole();
  virtio::ConsoleDevice& device = *console_->device;
  const size_t port = TRY(FindPort(device, resize.port));
  console_->attachment->WithDevice(
      [&] { device.Resize(port, {.columns = resize.columns, .rows = resize.rows}); });
  return Reply{};
}

}  // namespace ember::vmm
