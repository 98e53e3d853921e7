#include "sandbox/audit_architecture.h"

#include <linux/audit.h>

namespace ember::sandbox {

const uint32_t kAuditArchitecture = AUDIT_ARCH_X86_64;

}  // namespace ember::sandbox
