#ifndef EMBER_JAILER_LAYOUT_H_
#define EMBER_JAILER_LAYOUT_H_

#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "jailer/config.h"
#include "jailer/directory.h"

namespace ember::jailer {

// <base>/<exec name>/<id>/, which holds `root`, the jail, and `lock`. Held open, and locked: as
// long as a descriptor of the lock is open in a jailer or in the VMM that it became, nobody else
// claims the jail or cleans it up.
struct ClaimedJail {
  Directory machines;  // <base>/<exec name>
  Directory machine;   // <base>/<exec name>/<id>
  Fd lock;
};

// Makes what is missing of the path (0755) and takes the lock. An error names the machine if it
// lives.
Result<ClaimedJail> ClaimJail(const JailName& name);
// The same, but makes no directory: nothing where there is none.
Result<std::optional<ClaimedJail>> ClaimExistingJail(const JailName& name);

}  // namespace ember::jailer

#endif  // EMBER_JAILER_LAYOUT_H_
