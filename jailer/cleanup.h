#ifndef EMBER_JAILER_CLEANUP_H_
#define EMBER_JAILER_CLEANUP_H_

#include "base/result.h"
#include "jailer/config.h"

namespace ember::jailer {

// Removes what a jailer made for this machine, and what the machine and its user put there:
// <base>/<exec name>/<id> with all in it, and its cgroups. Refused while the machine lives. What a
// jailer or a clean-up that was killed left is removed as well; where there is nothing, that is
// well.
Status CleanUp(const JailName& name);

}  // namespace ember::jailer

#endif  // EMBER_JAILER_CLEANUP_H_
