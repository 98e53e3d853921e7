#ifndef EMBER_JAILER_READ_TEXT_H_
#define EMBER_JAILER_READ_TEXT_H_

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace ember::jailer {

// All of a file of the kernel's (/proc, cgroups), as text. `path` is for errors.
Result<std::string> ReadText(const Fd& fd, const std::string& path);
Result<std::string> ReadText(const std::string& path);

}  // namespace ember::jailer

#endif  // EMBER_JAILER_READ_TEXT_H_
