#ifndef EMBER_SNAPSHOT_NEW_FILE_H_
#define EMBER_SNAPSHOT_NEW_FILE_H_

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace ember::snapshot {

// A file that appears under its name whole and durable, or not at all: it is written under another
// name in the same directory and then renamed, so that whoever has the old file of that name open
// or mapped keeps it. Not published, it goes with the object; a process that is killed leaves it
// behind under the other name. Move-only; one thread.
//
//   NewFile file = TRY(NewFile::Create("/snapshots/state", "6f1a…"));
//   TRY(WriteAll(file.fd(), bytes));
//   TRY(file.Sync());
//   TRY(file.Publish());
class NewFile {
 public:
  // Makes PATH.SUFFIX (mode 0600), which must not exist; fails too where PATH is something that no
  // file can take the place of: a directory, a device, a FIFO.
  static Result<NewFile> Create(const std::string& path, std::string_view suffix);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&& other) = delete;
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  const Fd& fd() const { return fd_; }
  // For reading and writing; the name it has until it is published.
  const std::string& temporary_path() const { return temporary_path_; }

  // Makes what is written durable, and the temporary name too.
  Status Sync();
  // Gives it its name, in place of the file that had it, and makes that durable. After Sync().
  Status Publish();
  // Not published, it stays under the temporary name from now on.
  void Keep() { kept_ = true; }

 private:
  NewFile(std::string path, std::string temporary_path, Fd fd);

  std::string path_;
  std::string temporary_path_;  // empty: published or moved from
  Fd fd_;
  bool kept_ = false;
};

}  // namespace ember::snapshot

#endif  // EMBER_SNAPSHOT_NEW_FILE_H_
