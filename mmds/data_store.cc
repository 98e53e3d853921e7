#include "mmds/data_store.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "base/concat.h"

namespace ember::mmds {
namespace {

using Json = nlohmann::json;

// "[json.exception.parse_error.101] parse error at …: what; last read: '…'" without what only a
// programmer wants and what may be as long as the text.
std::string Shorten(std::string_view what) {
  if (const size_t end = what.find("] "); end != std::string_view::npos) {
    what.remove_prefix(end + 2);
  }
  return std::string(what.substr(0, what.find("; last read")));
}

// Builds a tree from the parser's events. A handler that returns false ends the parse.
class TreeBuilder {
 public:
  // NOLINTBEGIN(readability-identifier-naming): the names are nlohmann's.
  bool null() { return Add(nullptr); }
  bool boolean(bool value) { return Add(value); }
  bool number_integer(Json::number_integer_t value) { return Add(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return Add(value); }
  bool number_float(Json::number_float_t value, const Json::string_t& /*text*/) {
    return Add(value);
  }
  bool string(Json::string_t& value) { return Add(std::move(value)); }
  bool binary(Json::binary_t& /*value*/) { return false; }
  bool start_object(size_t /*size*/) { return Open(Json::object()); }
  bool key(Json::string_t& name) {
    name_ = std::move(name);
    return true;
  }
  bool end_object() { return Close(); }
  bool start_array(size_t /*size*/) { return Open(Json::array()); }
  bool end_array() { return Close(); }
  bool parse_error(size_t /*position*/, const std::string& /*last_token*/,
                   const nlohmann::detail::exception& error) {
    error_ = Shorten(error.what());
    return false;
  }
  // NOLINTEND(readability-identifier-naming)

  Result<Json> Finish() && {
    if (error_) return Error(*std::move(error_));
    if (!root_.is_object()) {
      return Error(Concat("invalid type: ", root_.type_name(), ", expected a map"));
    }
    return std::move(root_);
  }

 private:
  // Where it went: within the innermost open container, which gets nothing more while a container
  // of its own is open.
  Json& Place(Json value) {
    if (open_.empty()) return root_ = std::move(value);
    Json& parent = *open_.back();
    if (parent.is_array()) return parent.emplace_back(std::move(value));
    return parent[name_] = std::move(value);
  }
  bool Add(Json value) {
    Place(std::move(value));
    return true;
  }
  bool Open(Json container) {
    if (open_.size() == Document::kMaxDepth) {
      error_ = Concat("nested deeper than ", Document::kMaxDepth, " levels");
      return false;
    }
    open_.push_back(&Place(std::move(container)));
    return true;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Json*> open_;
  std::string name_;  // of the member whose value comes next
  std::optional<std::string> error_;
};

// A name within a pointer, as RFC 6901, 4 decodes it.
std::string Unescape(std::string_view token) {
  std::string name;
  for (size_t i = 0; i < token.size(); ++i) {
    const bool escape = token[i] == '~' && i + 1 < token.size();
    if (escape && (token[i + 1] == '0' || token[i + 1] == '1')) {
      name += token[++i] == '0' ? '~' : '/';
    } else {
      name += token[i];
    }
  }
  return name;
}

// Digits without a leading zero (RFC 6901, 4).
std::optional<size_t> ParseIndex(std::string_view token) {
  size_t index = 0;
  const char* const end = token.data() + token.size();
  const std::from_chars_result number = std::from_chars(token.data(), end, index);
  const bool leading_zero = token.size() > 1 && token.front() == '0';
  if (number.ec != std::errc() || number.ptr != end || leading_zero) return std::nullopt;
  return index;
}

const Json* Step(const Json& from, std::string_view token) {
  if (from.is_object()) {
    const auto member = from.find(Unescape(token));
    return member == from.end() ? nullptr : &*member;
  }
  if (!from.is_array()) return nullptr;
  const std::optional<size_t> index = ParseIndex(token);
  return index && *index < from.size() ? &from[*index] : nullptr;
}

const Json* Walk(const Json& root, std::string_view path) {
  const Json* at = &root;
  if (!path.starts_with('/')) return nullptr;
  while (at != nullptr && !path.empty()) {
    if (path.front() == '/') {
      path.remove_prefix(1);
      continue;
    }
    const std::string_view token = path.substr(0, path.find('/'));
    at = Step(*at, token);
    path.remove_prefix(token.size());
  }
  return at;
}

std::string ListNames(const Json& object) {
  std::string names;
  for (auto member = object.begin(); member != object.end(); ++member) {
    if (!names.empty()) names += '\n';
    names += member.key();
    if (member->is_object()) names += '/';
  }
  return names;
}

}  // namespace

struct Document::Tree {
  Json json;
};

Document::Document(std::unique_ptr<Tree> tree) : tree_(std::move(tree)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Result<Document> Document::Parse(std::string_view text) {
  // The parser would take it for the end of the text and not look at what follows.
  if (const size_t zero = text.find('\0'); zero != std::string_view::npos) {
    return Error(Concat("parse error: byte ", zero, " of the text is 0"));
  }
  TreeBuilder builder;
  Json::sax_parse(text.begin(), text.end(), &builder);
  Json json = TRY(std::move(builder).Finish());
  auto tree = std::make_unique<Tree>();
  tree->json = std::move(json);
  return Document(std::move(tree));
}

DataStore::DataStore(size_t limit_bytes) : limit_bytes_(limit_bytes) {}
DataStore::~DataStore() = default;

DataStore::Change DataStore::Replace(Document document) {
  if (document.tree_->json.dump().size() > limit_bytes_) return Change::kTooLarge;
  const MutexLock lock(mutex_);
  tree_ = std::move(document.tree_);
  return Change::kMade;
}

DataStore::Change DataStore::Merge(const Document& patch) {
  const MutexLock lock(mutex_);
  if (tree_ == nullptr) return Change::kNotInitialized;
  Json merged = tree_->json;
  merged.merge_patch(patch.tree_->json);
  if (merged.dump().size() > limit_bytes_) return Change::kTooLarge;
  tree_->json = std::move(merged);
  return Change::kMade;
}

std::string DataStore::ToJson() const {
  const MutexLock lock(mutex_);
  return tree_ == nullptr ? "{}" : tree_->json.dump();
}

DataStore::Found DataStore::Find(std::string_view path, Format format) const {
  const MutexLock lock(mutex_);
  const Json nothing;
  const Json* const found = Walk(tree_ == nullptr ? nothing : tree_->json, path);
  if (found == nullptr) return {.answer = Answer::kNothing, .text = {}};
  if (format == Format::kJson) return {.answer = Answer::kFound, .text = found->dump()};
  if (found->is_object()) return {.answer = Answer::kFound, .text = ListNames(*found)};
  if (!found->is_string()) return {.answer = Answer::kNoText, .text = {}};
  return {.answer = Answer::kFound, .text = found->get<std::string>()};
}

}  // namespace ember::mmds
