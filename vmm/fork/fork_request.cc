#include "vmm/fork/fork_request.h"

#include <algorithm>

#include "base/concat.h"

namespace ember::vmm {
namespace {

// The file of a machine's that its guest writes to; null where there is none.
const std::string* WrittenFile(const DriveConfig& drive) {
  if (drive.is_read_only) return nullptr;
  return drive.overlay_path ? &*drive.overlay_path : &drive.path_on_host;
}
const std::string* WrittenFile(const PmemConfig& pmem) {
  return pmem.read_only ? nullptr : &pmem.path_on_host;
}

// `written`: by the machine and the clones before. A base that the machine writes to is no base.
template <typename Device>
Status CheckFile(const Device& own, const Device& clones, std::vector<std::string>& written) {
  const std::string* const file = WrittenFile(own);
  if (file == nullptr) return {};
  const std::string& other = *WrittenFile(clones);
  const bool taken = other == *file || std::ranges::find(written, other) != written.end();
  if (taken || clones.path_on_host == *file) {
    return Error("it can be written to, and needs a file of the clone's own");
  }
  written.push_back(other);
  return {};
}

Status CheckClone(const VmConfig& config, const ForkClone& clone,
                  std::vector<std::string>& written) {
  VmConfig changed = config;
  TRY(Override(changed, clone.load));
  for (size_t i = 0; i < config.drives.size(); ++i) {
    TRY_CONTEXT(CheckFile(config.drives[i], changed.drives[i], written),
                Concat("drive ", config.drives[i].drive_id));
  }
  for (size_t i = 0; i < config.pmem.size(); ++i) {
    TRY_CONTEXT(CheckFile(config.pmem[i], changed.pmem[i], written),
                Concat("pmem ", config.pmem[i].id));
  }
  return {};
}

}  // namespace

Status Validate(const ForkRequest& request) {
  const std::vector<ForkClone>& clones = request.clones;
  if (clones.empty()) return Error("clones is empty");
  if (clones.size() > kMaxClones) {
    return Error(Concat(clones.size(), " clones exceed the limit ", kMaxClones));
  }
  std::vector<std::string> paths;
  for (const ForkClone& clone : clones) {
    if (clone.socket_path.empty()) return Error("socket_path is empty");
    paths.push_back(clone.socket_path);
  }
  std::ranges::sort(paths);
  const auto twice = std::ranges::adjacent_find(paths);
  if (twice != paths.end()) return Error(Concat("socket_path ", *twice, " is there twice"));
  if (request.timeout.count() < 1 || request.timeout.count() > kMaxForkTimeoutMs) {
    return Error(
        Concat("timeout_ms ", request.timeout.count(), " is not within 1 to ", kMaxForkTimeoutMs));
  }
  return {};
}

Status CheckClones(const VmConfig& config, const ForkRequest& request) {
  std::vector<std::string> written;
  for (size_t i = 0; i < request.clones.size(); ++i) {
    TRY_CONTEXT(CheckClone(config, request.clones[i], written), Concat("clones[", i, "]"));
  }
  return {};
}

}  // namespace ember::vmm
