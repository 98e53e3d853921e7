// vsock: both ends of vsock streams, for the tests.
//   vsock send CID PORT SEED BYTES   connects, sends `pattern SEED BYTES`, ends its half, and prints
//                                    "bytes=<n> crc32=<hex>" of that and the line the peer answers
//   vsock receive CID PORT           connects, and prints "bytes=<n> crc32=<hex>" of what comes
//   vsock sink PORT COUNT            accepts connections, one after the other, and answers each at its
//                                    end with the line that receive prints, until COUNT are answered
//   vsock echo PORT COUNT            accepts COUNT connections, holds them all at once, and sends
//                                    each back what it gets until it ends
//   vsock flood CID PORT SECONDS     connects, sends and never reads; then resets the connection
#include <errno.h>
#include <inttypes.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kBufferBytes = 65536, kMaxConnections = 2048, kBacklog = 128 };

static unsigned char buffer[kBufferBytes];

static void fail(const char* what) {
  printf("EMBER-VSOCK failed %s: %s\n", what, strerror(errno));
  exit(1);
}

// CRC-32 as zlib has it, eight bytes a step.
static uint32_t tables[8][256];

static void make_tables(void) {
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
    tables[0][i] = value;
  }
  for (int t = 1; t < 8; ++t) {
    for (uint32_t i = 0; i < 256; ++i) {
      tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 255];
    }
  }
}

static uint32_t crc32(uint32_t crc, const unsigned char* data, size_t size) {
  crc = ~crc;
  for (; size >= 8; size -= 8, data += 8) {
    uint64_t word;
    memcpy(&word, data, sizeof(word));
    word ^= crc;
    crc = 0;
    for (int i = 0; i < 8; ++i) crc ^= tables[7 - i][word >> (8 * i) & 255];
  }
  for (; size > 0; --size, ++data) crc = crc >> 8 ^ tables[0][(crc ^ *data) & 255];
  return ~crc;
}

static struct sockaddr_vm address(unsigned cid, unsigned port) {
  return (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
}

static int connect_to(const char* cid, const char* port) {
  struct sockaddr_vm peer = address(strtoul(cid, NULL, 0), strtoul(port, NULL, 0));
  int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (fd < 0) fail("socket");
  if (connect(fd, (struct sockaddr*)&peer, sizeof(peer)) < 0) fail("connect");
  return fd;
}

static int listen_on(const char* port) {
  struct sockaddr_vm own = address(VMADDR_CID_ANY, strtoul(port, NULL, 0));
  int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (fd < 0) fail("socket");
  if (bind(fd, (struct sockaddr*)&own, sizeof(own)) < 0) fail("bind");
  if (listen(fd, kBacklog) < 0) fail("listen");
  puts("EMBER-VSOCK listening");
  fflush(stdout);
  return fd;
}

static int accept_from(int listener) {
  int fd = accept(listener, NULL, NULL);
  if (fd < 0) fail("accept");
  return fd;
}

// 0 where the peer is gone.
static int write_all(int fd, const unsigned char* data, size_t size) {
  while (size > 0) {
    ssize_t count = send(fd, data, size, MSG_NOSIGNAL);
    if (count <= 0) return 0;
    data += count;
    size -= (size_t)count;
  }
  return 1;
}

// Sends the bytes of scripts/guest/pattern.c and prints what they were.
static void send_pattern(int fd, uint64_t state, uint64_t bytes) {
  uint32_t crc = 0;
  for (uint64_t left = bytes; left > 0;) {
    for (size_t at = 0; at < sizeof(buffer); at += sizeof(state)) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      memcpy(buffer + at, &state, sizeof(state));
    }
    size_t count = left < sizeof(buffer) ? (size_t)left : sizeof(buffer);
    if (!write_all(fd, buffer, count)) fail("write");
    crc = crc32(crc, buffer, count);
    left -= count;
  }
  printf("bytes=%" PRIu64 " crc32=%08x\n", bytes, crc);
}

// Reads to the end; the line that says what came goes into `line`. 0 where the peer broke off.
static int receive_all(int fd, char* line, size_t size) {
  uint64_t bytes = 0;
  uint32_t crc = 0;
  ssize_t count;
  while ((count = read(fd, buffer, sizeof(buffer))) > 0) {
    crc = crc32(crc, buffer, (size_t)count);
    bytes += (uint64_t)count;
  }
  snprintf(line, size, "bytes=%" PRIu64 " crc32=%08x\n", bytes, crc);
  return count == 0;
}

static void print_answer(int fd) {
  if (shutdown(fd, SHUT_WR) < 0) fail("shutdown");
  ssize_t count;
  while ((count = read(fd, buffer, sizeof(buffer))) > 0) fwrite(buffer, 1, (size_t)count, stdout);
  if (count < 0) fail("read");
}

static void sink(int listener, int count) {
  while (count-- > 0) {
    int fd = accept_from(listener);
    char line[80];
    // Who breaks off gets no answer, and does not count.
    if (!receive_all(fd, line, sizeof(line)) ||
        !write_all(fd, (unsigned char*)line, strlen(line))) {
      ++count;
    }
    close(fd);
  }
}

// Ends when `count` connections have come and gone.
static void echo(int listener, int count) {
  static struct pollfd fds[kMaxConnections + 1];
  int open_count = 0, left = count;
  fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
  while (left > 0) {
    if (poll(fds, (nfds_t)open_count + 1, -1) < 0) fail("poll");
    for (int i = open_count; i > 0; --i) {
      if (fds[i].revents == 0) continue;
      ssize_t got = read(fds[i].fd, buffer, sizeof(buffer));
      if (got > 0 && write_all(fds[i].fd, buffer, (size_t)got)) continue;
      close(fds[i].fd);
      fds[i] = fds[open_count--];
      --left;
    }
    if ((fds[0].revents & POLLIN) && open_count < kMaxConnections) {
      fds[++open_count] = (struct pollfd){.fd = accept_from(listener), .events = POLLIN};
    }
  }
}

static void flood(int fd, const char* seconds) {
  time_t end = time(NULL) + atoi(seconds);
  uint64_t bytes = 0;
  while (time(NULL) < end) {
    ssize_t count = send(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (count > 0) bytes += (uint64_t)count;
    if (count < 0 && errno != EAGAIN) fail("send");
    if (count < 0) poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 100);
  }
  printf("EMBER-VSOCK flooded bytes=%" PRIu64 "\n", bytes);
}

static int run(int argc, char** argv) {
  const char* verb = argc > 1 ? argv[1] : "";
  if (strcmp(verb, "send") == 0 && argc == 6) {
    int fd = connect_to(argv[2], argv[3]);
    send_pattern(fd, strtoull(argv[4], NULL, 0), strtoull(argv[5], NULL, 0));
    print_answer(fd);
  } else if (strcmp(verb, "receive") == 0 && argc == 4) {
    char line[80];
    if (!receive_all(connect_to(argv[2], argv[3]), line, sizeof(line))) fail("read");
    fputs(line, stdout);
  } else if (strcmp(verb, "sink") == 0 && argc == 4) {
    sink(listen_on(argv[2]), atoi(argv[3]));
  } else if (strcmp(verb, "echo") == 0 && argc == 4) {
    echo(listen_on(argv[2]), atoi(argv[3]));
  } else if (strcmp(verb, "flood") == 0 && argc == 5) {
    flood(connect_to(argv[2], argv[3]), argv[4]);
  } else {
    fputs("usage: vsock send|receive|sink|echo|flood …\n", stderr);
    return 2;
  }
  return 0;
}

int main(int argc, char** argv) {
  make_tables();
  return run(argc, argv);
}
