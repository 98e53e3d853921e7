// find_partition UUID: prints the device of the GPT partition that has UUID (/dev/vda1); status 1
// where there is none. For kernels that cannot mount root=PARTUUID= themselves because the disk's
// driver is a module. UEFI 2.10, section 5.3.
#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { kSectorSize = 512, kUuidText = 37, kMaxEntries = 128, kMaxEntrySize = 4096 };

struct gpt_header {
  char signature[8];
  uint32_t revision, header_size, crc, reserved;
  uint64_t own_sector, other_sector, first_usable, last_usable;
  uint8_t disk_uuid[16];
  uint64_t entries_sector;
  uint32_t entry_count, entry_size, entries_crc;
} __attribute__((packed));

// A GUID's first three fields are little-endian.
static void format_uuid(const uint8_t* b, char* text) {
  snprintf(text, kUuidText, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
           b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
           b[14], b[15]);
}

// Returns the number of the disk's partition with the UUID, or 0.
static unsigned partition_number(int fd, const char* uuid) {
  struct gpt_header header;
  if (pread(fd, &header, sizeof(header), kSectorSize) != sizeof(header)) return 0;
  if (memcmp(header.signature, "EFI PART", 8) != 0) return 0;
  uint32_t size = le32toh(header.entry_size);
  uint32_t count = le32toh(header.entry_count);
  if (size < 128 || size > kMaxEntrySize) return 0;
  for (uint32_t i = 0; i < count && i < kMaxEntries; ++i) {
    uint8_t entry[32];  // type and own UUID
    off_t at = (off_t)(le64toh(header.entries_sector) * kSectorSize + (uint64_t)i * size);
    if (pread(fd, entry, sizeof(entry), at) != sizeof(entry)) return 0;
    char text[kUuidText];
    format_uuid(entry + 16, text);
    if (strcasecmp(text, uuid) == 0) return i + 1;
  }
  return 0;
}

int main(int argc, char** argv) {
  DIR* disks = opendir("/sys/block");
  if (argc != 2 || disks == NULL) return 1;
  for (struct dirent* disk; (disk = readdir(disks)) != NULL;) {
    if (disk->d_name[0] == '.') continue;
    char path[300];
    snprintf(path, sizeof(path), "/dev/%s", disk->d_name);
    int fd = open(path, O_RDONLY);
    if (fd < 0) continue;
    unsigned number = partition_number(fd, argv[1]);
    close(fd);
    if (number == 0) continue;
    // A disk whose name ends in a digit has a "p" before the partition's number.
    char last = disk->d_name[strlen(disk->d_name) - 1];
    printf("%s%s%u\n", path, last >= '0' && last <= '9' ? "p" : "", number);
    return 0;
  }
  return 1;
}
