#include "tests/jailer/jailer_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/fd.h"

namespace ember::jailer {

TemporaryDirectory::TemporaryDirectory(const std::string& where)
    : path_(where + "/ember-jailer-XXXXXX") {
  EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  EXPECT_EQ(::chmod(path_.c_str(), 0755), 0);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string PlaceOfManyFiles() {
  return ::access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

std::string InmateIn(const TemporaryDirectory& directory) {
  std::string path = directory / "inmate";
  std::filesystem::copy_file(EMBER_INMATE, path);
  EXPECT_EQ(::chmod(path.c_str(), 0755), 0);
  return path;
}

Words Output::Values(std::string_view key) const {
  Words values;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    const std::string start = std::string(key) + " ";
    if (line.starts_with(start)) values.push_back(line.substr(start.size()));
    at = end + 1;
  }
  return values;
}

std::string Output::Value(std::string_view key) const {
  const Words values = Values(key);
  return values.size() == 1 ? values.front() : "";
}

Words operator+(Words left, const Words& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

pid_t StartJailer(const Words& arguments, const std::string& output_path,
                  std::optional<uid_t> user) {
  std::vector<const char*> words = {EMBER_JAILER};
  for (const std::string& argument : arguments) words.push_back(argument.c_str());
  words.push_back(nullptr);
  const int output = ::open(output_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  // LeakSanitizer needs /proc, which a jail has not.
  const char* const environment[] = {"ASAN_OPTIONS=detect_leaks=0", "SECRET=1", nullptr};
  const pid_t pid = ::fork();
  if (pid != 0) {
    ::close(output);
    return pid;
  }
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::dup2(::open("/", O_RDONLY), 100);  // not to be inherited
  if (user && (::setgid(*user) < 0 || ::setuid(*user) < 0)) ::_exit(126);
  ::execve(EMBER_JAILER, const_cast<char* const*>(words.data()),
           const_cast<char* const*>(environment));
  ::_exit(127);
}

Output RunJailer(const Words& arguments, std::optional<uid_t> user) {
  const Fd output(::memfd_create("output", MFD_CLOEXEC));
  const std::string path = "/proc/self/fd/" + std::to_string(output.get());
  const pid_t pid = StartJailer(arguments, path, user);
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return {.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1, .text = ReadFile(path)};
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void WriteFile(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

bool Exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

std::string WaitForFile(const std::string& path) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!Exists(path) && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  return ReadFile(path);
}

int Rounds(int usual, int with_long_tests) {
  return ::getenv("EMBER_LONG_TESTS") == nullptr ? usual : with_long_tests;
}

}  // namespace ember::jailer
