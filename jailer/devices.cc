#include "jailer/devices.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string>

#include "base/concat.h"
#include "jailer/read_text.h"

namespace ember::jailer {
namespace {

// Fixed numbers of the kernel's Documentation/admin-guide/devices.txt.
constexpr unsigned kMemoryMajor = 1;
constexpr unsigned kUrandomMinor = 9;
constexpr unsigned kMiscMajor = 10;
constexpr unsigned kTunMinor = 200;
constexpr unsigned kKvmMinor = 232;

constexpr std::array<const char*, 4> kPaths = {"dev/kvm", "dev/net/tun", "dev/urandom",
                                               "dev/userfaultfd"};

Status MakeAnew(const Directory& directory, const std::string& name, dev_t number, Owner owner) {
  TRY(directory.Remove(name));
  return directory.MakeNode(name, number, owner);
}

Status MakePlace(const Directory& directory, const std::string& name) {
  TRY(directory.Remove(name));
  TRY(directory.CreateFile(name, 0600));
  return {};
}

}  // namespace

std::optional<unsigned> MiscMinor(std::string_view misc, std::string_view name) {
  while (!misc.empty()) {
    const size_t end = misc.find('\n');
    std::string_view line = misc.substr(0, end);
    misc.remove_prefix(end == std::string_view::npos ? misc.size() : end + 1);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    unsigned minor = 0;
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), minor);
    if (error != std::errc()) continue;
    line.remove_prefix(static_cast<size_t>(rest - line.data()));
    if (!line.empty() && line.substr(1) == name) return minor;
  }
  return std::nullopt;
}

Status MakeDevices(const Directory& dev, const Directory& net, Owner owner) {
  TRY(MakeAnew(dev, "kvm", makedev(kMiscMajor, kKvmMinor), owner));
  TRY(MakeAnew(net, "tun", makedev(kMiscMajor, kTunMinor), owner));
  TRY(MakeAnew(dev, "urandom", makedev(kMemoryMajor, kUrandomMinor), owner));
  const std::string misc = TRY(ReadText("/proc/misc"));
  const std::optional<unsigned> userfaultfd = MiscMinor(misc, "userfaultfd");
  if (!userfaultfd) return {};
  return MakeAnew(dev, "userfaultfd", makedev(kMiscMajor, *userfaultfd), owner);
}

Status MakeDevicePlaces(const Directory& dev, const Directory& net) {
  TRY(MakePlace(dev, "kvm"));
  TRY(MakePlace(net, "tun"));
  TRY(MakePlace(dev, "urandom"));
  return MakePlace(dev, "userfaultfd");
}

Status BindDevices(const Directory& root) {
  for (const char* path : kPaths) {
    const std::string host = Concat("/", path);
    const Fd device(::open_tree(AT_FDCWD, host.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    if (!device.valid() && errno == ENOENT) continue;  // the host has none
    if (!device.valid()) return Error::FromErrno("open_tree", host);
    const Fd place = TRY(root.OpenFile(path, O_PATH));
    if (::move_mount(device.get(), "", place.get(), "",
                     MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
      return Error::FromErrno("mount", host);
    }
  }
  return {};
}

}  // namespace ember::jailer
