#ifndef EMBER_SANDBOX_FILE_LIMITS_H_
#define EMBER_SANDBOX_FILE_LIMITS_H_

#include <cstdint>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"

// What a thread may do with paths (landlock(7)): for good, and whoever it runs as. What is open
// stays open, and connecting to a Unix socket by its path is none of it.
namespace ember::sandbox {

enum class FileUse : uint8_t {
  kRead,     // files
  kWrite,    // read and write files, and ask devices for what only they know
  kSockets,  // make and remove Unix sockets, in a directory
  kFolder,   // all of these, and make and remove files
};

// For a path and, where it is a directory, for all that is beneath it.
struct FileRule {
  std::string path;
  FileUse use = FileUse::kRead;

  friend bool operator==(const FileRule&, const FileRule&) = default;
};

// Whatever no rule gives is refused with EACCES; so are, wherever that is, to execute a file, to
// make directories, devices, pipes and symbolic links, to move files between directories, to mount,
// to trace processes that are not limited so, TCP, and to connect to others' abstract sockets.
class FileLimits {
 public:
  // A rule for what is not there gives nothing. Where the kernel knows only a part of this, that is
  // what is limited; nothing is where it has no Landlock.
  static Result<FileLimits> Create(std::span<const FileRule> rules);

  bool in_force() const { return ruleset_.valid(); }
  // Limits the calling thread and those it starts from then on, which cannot gain privileges any
  // more (PR_SET_NO_NEW_PRIVS). Nothing where they are not in force.
  Status Enter() const;

 private:
  explicit FileLimits(Fd ruleset) : ruleset_(std::move(ruleset)) {}

  Fd ruleset_;
};

}  // namespace ember::sandbox

#endif  // EMBER_SANDBOX_FILE_LIMITS_H_
