#ifndef EMBER_SANDBOX_POLICY_COMPILER_H_
#define EMBER_SANDBOX_POLICY_COMPILER_H_

#include "base/result.h"
#include "sandbox/filter_set.h"
#include "sandbox/policy/policy.h"

// From a policy to the kernel's filters, by libseccomp. In the tool and in tests; ember-vmm has
// only what comes out.
namespace ember::sandbox {

// What libseccomp makes of it. Errors name the call that this processor does not have.
Result<std::vector<sock_filter>> TranslateThread(const ThreadPolicy& thread);
// That, simplified.
Result<std::vector<sock_filter>> CompileThread(const ThreadPolicy& thread);
Result<OwnedFilters> CompilePolicy(const Policy& policy);

}  // namespace ember::sandbox

#endif  // EMBER_SANDBOX_POLICY_COMPILER_H_
