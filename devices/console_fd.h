#ifndef EMBER_DEVICES_CONSOLE_FD_H_
#define EMBER_DEVICES_CONSOLE_FD_H_

#include <string>

#include "base/fd.h"
#include "base/result.h"

// Descriptors for a console's two ends: never block, never take a controlling terminal. Any thread.
namespace ember {

// Opens `path` for console output. A file is created (mode 0600) or appended to. A FIFO needs no
// reader yet. The error names the path.
Result<Fd> OpenConsoleOutput(const std::string& path);

// A second descriptor for what `fd` (stdin, stdout, an accepted socket) refers to, which stays the
// caller's. Where the system can, non-blocking mode does not spread to `fd`: a terminal or pipe is
// shared with the shell and with other programs, which do not expect it.
Result<Fd> DuplicateConsoleFd(int fd, Access access);

}  // namespace ember

#endif  // EMBER_DEVICES_CONSOLE_FD_H_
