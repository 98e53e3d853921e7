#include "sandbox/policy/policy.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "base/concat.h"
#include "sandbox/policy/constants.h"

namespace ember::sandbox {
namespace {

using Words = std::span<const std::string_view>;

constexpr size_t kArguments = 6;

std::vector<std::string_view> SplitWords(std::string_view line) {
  constexpr std::string_view kSpaces = " \t\r";
  std::vector<std::string_view> words;
  line = line.substr(0, line.find('#'));
  for (;;) {
    const size_t begin = line.find_first_not_of(kSpaces);
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(kSpaces), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

// "A|B" or "7".
Result<uint32_t> ParseValue(std::string_view text) {
  uint32_t value = 0;
  for (;;) {
    const size_t bar = std::min(text.find('|'), text.size());
    const std::string_view name = text.substr(0, bar);
    std::optional<uint32_t> part = ParseNumber<uint32_t>(name);
    if (!part) part = ConstantNamed(name);
    if (!part) return Error(Concat("\"", name, "\" is no number and no constant known here"));
    value |= *part;
    if (bar == text.size()) return value;
    text.remove_prefix(bar + 1);
  }
}

Result<unsigned> ParseArgument(std::string_view word) {
  std::optional<unsigned> number;
  if (word.starts_with("arg")) number = ParseNumber<unsigned>(word.substr(3));
  if (!number || *number >= kArguments) {
    return Error(Concat("\"", word, "\" is none of arg0 to arg5"));
  }
  return *number;
}

// "arg1 in A B" or "arg2 without C".
Result<Condition> ParseCondition(Words words) {
  if (words.size() < 3) return Error("a condition is \"argN in VALUE…\" or \"argN without BITS\"");
  Condition condition{.argument = TRY(ParseArgument(words[0]))};
  if (words[1] == "without") {
    condition.kind = Condition::Kind::kWithout;
    if (words.size() != 3) return Error("\"without\" is followed by one value");
  } else if (words[1] != "in") {
    return Error(Concat("\"", words[1], "\" is neither \"in\" nor \"without\""));
  }
  for (const std::string_view word : words.subspan(2)) {
    condition.values.push_back(TRY(ParseValue(word)));
  }
  return condition;
}

Result<Rule> ParseRule(Words words) {
  Rule rule{.call = std::string(words.front())};
  words = words.subspan(1);
  if (!words.empty() && words.front() == "fails") {
    if (words.size() != 2) return Error("\"fails\" is followed by one error");
    rule.error_number = static_cast<int>(TRY(ParseValue(words[1])));
    return rule;
  }
  while (!words.empty()) {
    const auto end = std::ranges::find(words, "and");
    const auto count = static_cast<size_t>(end - words.begin());
    rule.conditions.push_back(TRY(ParseCondition(words.first(count))));
    if (end == words.end()) break;
    words = words.subspan(count + 1);
    if (words.empty()) return Error("a condition is missing after \"and\"");
  }
  return rule;
}

// Reads line after line into the group or thread whose words came last.
class Parser {
 public:
  Status TakeLine(std::string_view line) {
    const std::vector<std::string_view> words = SplitWords(line);
    if (words.empty()) return {};
    if (words.front() == "group") return BeginGroup(words);
    if (words.front() == "thread") return BeginThread(words);
    if (into_ == nullptr) return Error("a rule stands before the first group or thread");
    if (words.front() == "use") return Use(words);
    Add(TRY(ParseRule(words)));
    return {};
  }

  Result<Policy> Take() {
    for (size_t i = 0; i < kThreadKinds; ++i) {
      if (!seen_[i]) return Error(Concat("there is nothing on the thread ", kThreadKindNames[i]));
      TRY_CONTEXT(Check(policy_[i]), Concat("thread ", kThreadKindNames[i]));
    }
    return std::move(policy_);
  }

 private:
  Status BeginGroup(Words words) {
    if (words.size() != 2) return Error("a group is \"group NAME\"");
    const auto [entry, added] = groups_.try_emplace(std::string(words[1]));
    if (!added) return Error(Concat("there are two groups ", words[1]));
    into_ = &entry->second;
    return {};
  }

  Status BeginThread(Words words) {
    std::optional<size_t> limit;
    if (words.size() == 5 && words[2] == "at" && words[3] == "most") {
      limit = ParseNumber<size_t>(words[4]);
    }
    if (!limit) return Error("a thread is \"thread NAME at most COUNT\"");
    const std::optional<ThreadKind> kind = ThreadKindOf(words[1]);
    if (!kind) return Error(Concat("there is no thread ", words[1]));
    const auto index = static_cast<size_t>(*kind);
    if (std::exchange(seen_[index], true)) return Error(Concat("thread ", words[1], " is twice"));
    policy_[index].at_most = *limit;
    into_ = &policy_[index].rules;
    return {};
  }

  Status Use(Words words) {
    if (words.size() != 2) return Error("\"use\" is followed by one group");
    const auto group = groups_.find(std::string(words[1]));
    if (group == groups_.end() || &group->second == into_) {
      return Error(Concat("there is no group ", words[1], " above"));
    }
    for (const Rule& rule : group->second) Add(rule);
    return {};
  }

  void Add(const Rule& rule) {
    if (std::ranges::find(*into_, rule) == into_->end()) into_->push_back(rule);
  }

  static Status Check(const ThreadPolicy& thread) {
    const std::vector<std::string> calls = AllowedCalls(thread);
    for (const Rule& rule : thread.rules) {
      if (rule.error_number != 0 && std::ranges::binary_search(calls, rule.call)) {
        return Error(Concat(rule.call, " is both allowed and refused"));
      }
    }
    if (calls.size() <= thread.at_most) return {};
    return Error(Concat(calls.size(), " calls exceed the limit ", thread.at_most));
  }

  std::map<std::string, std::vector<Rule>> groups_;
  Policy policy_;
  std::array<bool, kThreadKinds> seen_{};
  std::vector<Rule>* into_ = nullptr;
};

}  // namespace

std::vector<std::string> AllowedCalls(const ThreadPolicy& thread) {
  std::vector<std::string> calls;
  for (const Rule& rule : thread.rules) {
    if (rule.error_number == 0) calls.push_back(rule.call);
  }
  std::ranges::sort(calls);
  calls.erase(std::unique(calls.begin(), calls.end()), calls.end());
  return calls;
}

Result<Policy> ParsePolicy(std::string_view text) {
  Parser parser;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    TRY_CONTEXT(parser.TakeLine(text.substr(0, end)), Concat("line ", number));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.Take();
}

}  // namespace ember::sandbox
