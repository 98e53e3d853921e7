#ifndef EMBER_TESTS_JAILER_JAILER_PROGRAM_H_
#define EMBER_TESTS_JAILER_JAILER_PROGRAM_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ember::jailer {

// A temporary directory that anybody may enter; removed with all in it.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& where = "/tmp");
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// Where a test makes and removes files in thousands of rounds: in memory, where the host has such a
// place. ext4 takes no inode that was freed a moment ago, and looks at each of these for another.
std::string PlaceOfManyFiles();

// The inmate, copied to where any user can read it.
std::string InmateIn(const TemporaryDirectory& directory);

using Words = std::vector<std::string>;

struct Output {
  int status = -1;   // of exit; -1 for a signal
  std::string text;  // stdout, then stderr

  // The values of the lines that begin with `key`.
  Words Values(std::string_view key) const;
  // The one value; empty unless there is exactly one.
  std::string Value(std::string_view key) const;
};

Words operator+(Words left, const Words& right);

// Starts ember-jailer with an environment and descriptors that it must not pass on; as another
// user where one is given.
pid_t StartJailer(const Words& arguments, const std::string& output_path,
                  std::optional<uid_t> user = std::nullopt);
// The same, to its end.
Output RunJailer(const Words& arguments, std::optional<uid_t> user = std::nullopt);

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, std::string_view text);
bool Exists(const std::string& path);
// Waits for a file that appears whole; its text.
std::string WaitForFile(const std::string& path);
// 2,000, or 100,000 with EMBER_LONG_TESTS; and the like.
int Rounds(int usual, int with_long_tests);

}  // namespace ember::jailer

#endif  // EMBER_TESTS_JAILER_JAILER_PROGRAM_H_
