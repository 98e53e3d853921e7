#ifndef EMBER_BASE_CRC32C_H_
#define EMBER_BASE_CRC32C_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace ember {

// The CRC-32C of `bytes` (Castagnoli's polynomial, reflected, as in iSCSI: RFC 3720, 12.1), for the
// checksums of files. Pieces are joined by passing what came before as `so_far`:
//   Crc32c(second, Crc32c(first)) is the CRC-32C of both.
// Any thread.
uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t so_far = 0);

}  // namespace ember

#endif  // EMBER_BASE_CRC32C_H_
