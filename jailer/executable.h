#ifndef EMBER_JAILER_EXECUTABLE_H_
#define EMBER_JAILER_EXECUTABLE_H_

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "jailer/config.h"
#include "jailer/directory.h"

namespace ember::jailer {

// The program to be jailed, a regular file, open for reading.
Result<Fd> OpenExecutable(const std::string& path);

// Copies the program into `root` as `name`: mode 0500, the owner's. What stands there from before
// is replaced, unless it is a link or has several names: then somebody else's file hangs on it.
Status CopyExecutable(const Fd& program, const Directory& root, const std::string& name,
                      Owner owner);

}  // namespace ember::jailer

#endif  // EMBER_JAILER_EXECUTABLE_H_
