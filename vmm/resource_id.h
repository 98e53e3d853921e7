#ifndef EMBER_VMM_RESOURCE_ID_H_
#define EMBER_VMM_RESOURCE_ID_H_

#include <string_view>

#include "base/result.h"

namespace ember::vmm {

// An id of the API: not empty, of letters, digits and '_'. The error is the contract's.
Status ValidateResourceId(std::string_view id);

}  // namespace ember::vmm

#endif  // EMBER_VMM_RESOURCE_ID_H_
