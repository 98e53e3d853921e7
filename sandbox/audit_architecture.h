#ifndef EMBER_SANDBOX_AUDIT_ARCHITECTURE_H_
#define EMBER_SANDBOX_AUDIT_ARCHITECTURE_H_

#include <cstdint>

namespace ember::sandbox {

// What the kernel calls this processor in seccomp_data.arch: AUDIT_ARCH_*.
extern const uint32_t kAuditArchitecture;

}  // namespace ember::sandbox

#endif  // EMBER_SANDBOX_AUDIT_ARCHITECTURE_H_
