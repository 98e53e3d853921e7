#ifndef EMBER_SANDBOX_CAPABILITIES_H_
#define EMBER_SANDBOX_CAPABILITIES_H_

#include "base/result.h"

// The powers that root has beyond other users, a part each (capabilities(7)). They are a thread's
// own, handed on to threads that it starts.
namespace ember::sandbox {

// Takes from the calling thread, for good, what a program it executes could gain. The thread keeps
// what it has. Nothing to do for a thread that may not, having no power to take away.
Status DropBoundingSet();

// Takes from the calling thread, for good, all it has: it may do what its user may and no more.
Status DropCapabilities();

}  // namespace ember::sandbox

#endif  // EMBER_SANDBOX_CAPABILITIES_H_
