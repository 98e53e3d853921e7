#include "vmm/resource_id.h"

#include <algorithm>

namespace ember::vmm {

Status ValidateResourceId(std::string_view id) {
  if (id.empty()) return Error("The ID cannot be empty.");
  const bool letters_ok = std::ranges::all_of(id, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
  if (!letters_ok) {
    return Error("API Resource IDs can only contain alphanumeric characters and underscores.");
  }
  return {};
}

}  // namespace ember::vmm
