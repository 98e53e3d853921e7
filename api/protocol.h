#ifndef EMBER_API_PROTOCOL_H_
#define EMBER_API_PROTOCOL_H_

#include <cstdint>
#include <string_view>

namespace ember::api {

// What a connection can become (RFC 9110, 7.8); docs/extensions.md says what is spoken then.
enum class Protocol : uint8_t { kHttp, kConsole, kLog };

// As in an Upgrade field: "ember-console/1".
std::string_view NameOf(Protocol protocol);
// The first that is ours of an Upgrade field's list; kHttp where none is.
Protocol ParseUpgrade(std::string_view list);

}  // namespace ember::api

#endif  // EMBER_API_PROTOCOL_H_
