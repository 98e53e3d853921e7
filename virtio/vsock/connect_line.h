#ifndef EMBER_VIRTIO_VSOCK_CONNECT_LINE_H_
#define EMBER_VIRTIO_VSOCK_CONNECT_LINE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ember::virtio {

// The longest first line of a host client, with its end.
inline constexpr size_t kMaxConnectLineBytes = 32;

// The port of "CONNECT <port>", the line without its '\n': the word in any case, blanks around and
// between, the port in decimal. Nothing where the line is anything else.
std::optional<uint32_t> ParseConnectLine(std::string_view line);

// What the client reads before the stream, "OK <host port>\n".
std::string ConnectReply(uint32_t host_port);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_VSOCK_CONNECT_LINE_H_
