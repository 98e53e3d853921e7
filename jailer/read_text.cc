#include "jailer/read_text.h"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace ember::jailer {

Result<std::string> ReadText(const Fd& fd, const std::string& path) {
  std::string text;
  std::array<char, 4096> chunk;
  while (true) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::FromErrno("read", path);
    if (got == 0) return text;
    text.append(chunk.data(), static_cast<size_t>(got));
  }
}

Result<std::string> ReadText(const std::string& path) {
  const Fd fd = TRY(OpenFile(path, Access::kReadOnly));
  return ReadText(fd, path);
}

}  // namespace ember::jailer
