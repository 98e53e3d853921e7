#ifndef EMBER_TESTS_FIRMWARE_TOOL_H_
#define EMBER_TESTS_FIRMWARE_TOOL_H_

#include <sys/wait.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"

// Other people's tools, as judges of what we write.
namespace ember::firmware {

// A directory that is gone with the object.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "ember-firmware-XXXXXX").string();
    EMBER_CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void WriteFile(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::ofstream file(path, std::ios::binary);
  for (const std::byte byte : bytes) file.put(static_cast<char>(byte));
  EMBER_CHECK(file.good());
}

// Empty where there is no such file.
inline std::vector<std::byte> ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::byte> bytes;
  for (char letter; file.get(letter);) bytes.push_back(static_cast<std::byte>(letter));
  return bytes;
}

struct ToolResult {
  int exit_status = -1;
  std::string output;  // stdout and stderr
};

// Runs a shell command in `directory`.
inline ToolResult RunTool(const std::filesystem::path& directory, const std::string& command) {
  const std::string line = "cd '" + directory.string() + "' && " + command + " 2>&1 < /dev/null";
  FILE* pipe = ::popen(line.c_str(), "r");  // NOLINT(cert-env33-c): a fixed command of the test's
  EMBER_CHECK(pipe != nullptr);
  ToolResult result;
  for (int letter; (letter = std::fgetc(pipe)) != EOF;) {
    result.output += static_cast<char>(letter);
  }
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) result.exit_status = WEXITSTATUS(status);
  return result;
}

}  // namespace ember::firmware

#endif  // EMBER_TESTS_FIRMWARE_TOOL_H_
