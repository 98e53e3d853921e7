#include "vmm/pmem/pmem.h"

#include <algorithm>
#include <utility>

#include "base/concat.h"
#include "vmm/resource_id.h"

namespace ember::vmm {

Status Validate(const PmemConfig& pmem) {
  TRY_CONTEXT(ValidateResourceId(pmem.id), "id");
  if (pmem.path_on_host.empty()) return Error("path_on_host is empty");
  return {};
}

Status InsertPmem(std::vector<PmemConfig>& devices, PmemConfig pmem) {
  const auto has_its_id = [&](const PmemConfig& other) { return other.id == pmem.id; };
  const auto root = std::ranges::find_if(devices, &PmemConfig::root_device);
  if (pmem.root_device && root != devices.end() && !has_its_id(*root)) {
    return Error(
        Concat("root_device: pmem ", pmem.id, " cannot be the root device: ", root->id, " is"));
  }
  const auto same = std::ranges::find_if(devices, has_its_id);
  if (same != devices.end()) {
    *same = std::move(pmem);
  } else {
    devices.push_back(std::move(pmem));
  }
  return {};
}

std::optional<std::string> RootWords(const std::vector<PmemConfig>& devices) {
  const auto root = std::ranges::find_if(devices, &PmemConfig::root_device);
  if (root == devices.end()) return std::nullopt;
  return Concat("root=/dev/pmem", root - devices.begin(), root->read_only ? " ro" : " rw");
}

}  // namespace ember::vmm
