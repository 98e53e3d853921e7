// api_probe SOCKET ROUNDS: times GET / on the API's socket against a bare echo over a Unix socket
// of our own, in turns, so that both see the same machine. Prints
//   {"api_us": [median of each round…], "api_mean_us": [mean of each…], "echo_us": […]}
// The echo answers as many bytes as the API does, and each of the two is a process of its own.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace ember {
namespace {

constexpr int kRequestsPerRound = 500;
constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

size_t ReadSome(const Fd& fd, std::span<char> into) {
  const ssize_t got = ::read(fd.get(), into.data(), into.size());
  if (got <= 0) Fail("api_probe: read");
  return static_cast<size_t>(got);
}

Fd Connect(const std::string& path) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  // The sockets API takes every address by its common head.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
    Fail("api_probe: connect");
  }
  return fd;
}

// Sends the request and reads an answer of `answer_bytes`; returns the microseconds it took.
double Ask(const Fd& fd, size_t answer_bytes) {
  std::array<char, 4096> buffer;
  const auto began = std::chrono::steady_clock::now();
  if (::write(fd.get(), kRequest.data(), kRequest.size()) < 0) Fail("api_probe: write");
  size_t got = 0;
  while (got < answer_bytes) got += ReadSome(fd, buffer);
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - began)
      .count();
}

// How long the API's answer is.
size_t AnswerBytes(const Fd& api) {
  std::array<char, 4096> buffer;
  if (::write(api.get(), kRequest.data(), kRequest.size()) < 0) Fail("api_probe: write");
  size_t got = ReadSome(api, buffer);
  // The answer is small and written at once; what follows within the time-out belongs to it.
  pollfd poll_fd{.fd = api.get(), .events = POLLIN, .revents = 0};
  while (::poll(&poll_fd, 1, 100) > 0) got += ReadSome(api, buffer);
  return got;
}

// The floor: a process that reads and answers, with nothing in between.
[[noreturn]] void Echo(const Fd& fd, size_t answer_bytes) {
  std::array<char, 4096> buffer{};
  while (::read(fd.get(), buffer.data(), buffer.size()) > 0) {
    if (::write(fd.get(), buffer.data(), answer_bytes) < 0) break;
  }
  ::_exit(0);
}

struct RoundTimes {
  double median_us;
  double mean_us;
};

RoundTimes Round(const Fd& fd, size_t answer_bytes) {
  std::vector<double> times(kRequestsPerRound);
  std::ranges::generate(times, [&] { return Ask(fd, answer_bytes); });
  const double sum = std::accumulate(times.begin(), times.end(), 0.0);
  std::ranges::nth_element(times, times.begin() + kRequestsPerRound / 2);
  return {.median_us = times[kRequestsPerRound / 2], .mean_us = sum / kRequestsPerRound};
}

void Print(const char* name, const std::vector<double>& values, const char* after) {
  std::printf("\"%s\": [", name);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.3f", i > 0 ? ", " : "", values[i]);
  std::printf("]%s", after);
}

int Run(const std::string& socket_path, int rounds) {
  const Fd api = Connect(socket_path);
  const size_t answer_bytes = AnswerBytes(api);
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0) Fail("socketpair");
  Fd ours(ends[0]);
  Fd theirs(ends[1]);
  const pid_t echo = ::fork();
  if (echo == 0) {
    ours.Reset();
    Echo(theirs, answer_bytes);
  }
  theirs.Reset();
  std::vector<double> api_us;
  std::vector<double> api_mean_us;
  std::vector<double> echo_us;
  for (int round = 0; round <= rounds; ++round) {
    const RoundTimes of_api = Round(api, answer_bytes);
    const RoundTimes of_echo = Round(ours, answer_bytes);
    if (round == 0) continue;  // warms up
    api_us.push_back(of_api.median_us);
    api_mean_us.push_back(of_api.mean_us);
    echo_us.push_back(of_echo.median_us);
  }
  ours.Reset();
  ::waitpid(echo, nullptr, 0);
  std::printf("{");
  Print("api_us", api_us, ", ");
  Print("api_mean_us", api_mean_us, ", ");
  Print("echo_us", echo_us, "}\n");
  return 0;
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: api_probe SOCKET ROUNDS\n");
    return 2;
  }
  return ember::Run(argv[1], std::atoi(argv[2]));
}
