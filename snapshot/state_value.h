#ifndef EMBER_SNAPSHOT_STATE_VALUE_H_
#define EMBER_SNAPSHOT_STATE_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ember::snapshot {

// A piece of a machine's state, by name and kind: a plain tree, between the structures of the
// machine's parts (snapshot/fields.h) and a file's bytes (snapshot/cbor.h). Any thread, one at a
// time.
struct StateValue {
  struct Member;
  using Bytes = std::vector<std::byte>;
  using List = std::vector<StateValue>;
  using Map = std::vector<Member>;  // no name twice

  std::variant<bool, uint64_t, std::string, Bytes, List, Map> value;

  // The member of a map, or null where there is none or this is no map.
  const StateValue* Find(std::string_view name) const;

  friend bool operator==(const StateValue&, const StateValue&);
};

struct StateValue::Member {
  std::string name;
  StateValue value;

  friend bool operator==(const Member&, const Member&) = default;
};

// What a value is, for errors: "a number".
std::string_view Kind(const StateValue& value);

}  // namespace ember::snapshot

#endif  // EMBER_SNAPSHOT_STATE_VALUE_H_
