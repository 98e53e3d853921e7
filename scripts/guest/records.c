// records DIRECTORY: whether a file system keeps its promise. Counts the records that earlier runs
// left, up to the first that is missing or wrong, and prints "EMBER-RECORDS found <count>". Then adds
// one after the other until it is killed, and says "EMBER-RECORDS flushed <count>" only when that many
// must outlive anything: after fdatasync(), and fsync() of the directory for a new file.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Few records a file, so that names and sizes change all the time.
enum { kRecordBytes = 4096, kRecordsPerFile = 8 };

static unsigned char expected[kRecordBytes], found[kRecordBytes];

static void fail(const char* what, uint64_t record) {
  printf("EMBER-RECORDS failed %s at %llu: %s\n", what, (unsigned long long)record,
         strerror(errno));
  exit(1);
}

static void fill(uint64_t record) {
  uint64_t state = (record + 1) * 0x9e3779b97f4a7c15ull;
  for (size_t at = 0; at < kRecordBytes; at += sizeof(state)) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    memcpy(expected + at, &state, sizeof(state));
  }
}

static void file_name(char* name, uint64_t record) {
  snprintf(name, 32, "%010llu", (unsigned long long)(record / kRecordsPerFile));
}

static off_t offset_of(uint64_t record) {
  return (off_t)(record % kRecordsPerFile * kRecordBytes);
}

static uint64_t check(void) {
  char name[32];
  for (uint64_t record = 0;; ++record) {
    file_name(name, record);
    int fd = open(name, O_RDONLY);
    if (fd < 0) return record;
    ssize_t count = pread(fd, found, kRecordBytes, offset_of(record));
    close(fd);
    if (count < 0) fail("read", record);
    fill(record);
    if (count != kRecordBytes || memcmp(found, expected, kRecordBytes) != 0) return record;
  }
}

static void add(int directory, uint64_t record) {
  char name[32];
  file_name(name, record);
  int fd = open(name, O_RDWR | O_CREAT, 0644);
  if (fd < 0) fail("open", record);
  fill(record);
  if (pwrite(fd, expected, kRecordBytes, offset_of(record)) != kRecordBytes) {
    fail("write", record);
  }
  if (fdatasync(fd) < 0) fail("fdatasync", record);
  close(fd);
  if (record % kRecordsPerFile == 0 && fsync(directory) < 0) fail("fsync", record);
}

int main(int argc, char** argv) {
  if (argc != 2 || chdir(argv[1]) < 0) {
    fputs("usage: records DIRECTORY\n", stderr);
    return 2;
  }
  setlinebuf(stdout);
  int directory = open(".", O_RDONLY | O_DIRECTORY);
  uint64_t record = check();
  printf("EMBER-RECORDS found %llu\n", (unsigned long long)record);
  for (;; ++record) {
    add(directory, record);
    printf("EMBER-RECORDS flushed %llu\n", (unsigned long long)record + 1);
  }
}
