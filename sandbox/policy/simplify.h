#ifndef EMBER_SANDBOX_POLICY_SIMPLIFY_H_
#define EMBER_SANDBOX_POLICY_SIMPLIFY_H_

#include <linux/filter.h>

#include <span>
#include <vector>

#include "base/result.h"

namespace ember::sandbox {

// A filter that answers as this one of libseccomp's does, in fewer steps: the kernel compiles each
// filter as a thread puts it on, and runs it for each number there is, which is most of what a
// machine's confinement costs. What cannot fail is not tested, nothing is loaded twice, and numbers
// are looked for by halves. Errors: an instruction that is not understood. Pure; any thread.
Result<std::vector<sock_filter>> Simplify(std::span<const sock_filter> filter);

}  // namespace ember::sandbox

#endif  // EMBER_SANDBOX_POLICY_SIMPLIFY_H_
