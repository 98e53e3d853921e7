#ifndef EMBER_MMDS_DATA_STORE_H_
#define EMBER_MMDS_DATA_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/thread_annotations.h"

namespace ember::mmds {

// A JSON object, read and not yet put anywhere. Move-only. One thread at a time.
class Document {
 public:
  // Arrays and objects within each other, so that nothing that walks a tree recurses deeply.
  static constexpr size_t kMaxDepth = 64;

  // Reads a whole text: valid UTF-8 and JSON, an object, not deeper than kMaxDepth; of members with
  // one name the last counts. Takes time and memory in proportion to the text, whose size the
  // caller bounds.
  static Result<Document> Parse(std::string_view text);

  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

 private:
  friend class DataStore;
  struct Tree;
  explicit Document(std::unique_ptr<Tree> tree);
  std::unique_ptr<Tree> tree_;
};

// The metadata of a machine: a JSON object that its client puts in and changes, and its guest reads
// by path. Whoever reads sees it before a change or after, never between. Any thread.
class DataStore {
 public:
  enum class Change : uint8_t {
    kMade,
    kTooLarge,        // the whole, written without spaces, would exceed the limit
    kNotInitialized,  // there is nothing yet that a patch could change
  };
  enum class Format : uint8_t {
    kJson,
    kText,  // a string as it is; an object as a list of its names, a '/' behind those of objects
  };
  enum class Answer : uint8_t {
    kFound,
    kNothing,  // there is nothing at the path
    kNoText,   // there is, but it has no such format
  };
  struct Found {
    Answer answer = Answer::kNothing;
    std::string text;
  };

  static constexpr size_t kDefaultLimitBytes = 51200;
  explicit DataStore(size_t limit_bytes);
  ~DataStore();

  // The document takes the place of what there was.
  Change Replace(Document document) EXCLUDES(mutex_);
  // The document is a merge patch (RFC 7396).
  Change Merge(const Document& patch) EXCLUDES(mutex_);

  // All of it, without spaces, names in order; "{}" before the first Replace().
  std::string ToJson() const EXCLUDES(mutex_);
  // What is at `path`, a JSON pointer (RFC 6901) in which a '/' at the end and more than one
  // between names mean nothing. Before the first Replace() there is null at "/".
  Found Find(std::string_view path, Format format) const EXCLUDES(mutex_);

 private:
  const size_t limit_bytes_;

  mutable Mutex mutex_;
  std::unique_ptr<Document::Tree> tree_ GUARDED_BY(mutex_);  // null before the first Replace()
};

}  // namespace ember::mmds

#endif  // EMBER_MMDS_DATA_STORE_H_
