// The parts of the console that know no queues: the log, the size, what is said about ports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/virtio/console/console_bench.h"
#include "virtio/console/console_size.h"
#include "virtio/console/multiport.h"
#include "virtio/console/output_log.h"

namespace ember::virtio::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string From(const OutputLog& log, uint64_t position) {
  std::string text;
  for (const iovec& piece : log.From(position)) {
    text.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  }
  return text;
}

void Append(OutputLog& log, std::string_view text) {
  log.Append(std::as_bytes(std::span(text.data(), text.size())));
}

TEST(OutputLogTest, KeepsTheLastBytes) {
  OutputLog log(8);
  EXPECT_EQ(From(log, 0), "");
  Append(log, "abc");
  EXPECT_EQ(From(log, 0), "abc");
  EXPECT_EQ(From(log, 2), "c");
  Append(log, "defgh");
  EXPECT_EQ(log.begin(), 0U);
  EXPECT_EQ(From(log, 0), "abcdefgh");
  Append(log, "ij");
  EXPECT_EQ(log.begin(), 2U);
  EXPECT_EQ(From(log, 2), "cdefghij");
}

TEST(OutputLogTest, OfMoreThanItHoldsKeepsTheEnd) {
  OutputLog log(4);
  Append(log, "x");
  Append(log, "0123456789");
  EXPECT_EQ(log.end(), 11U);
  EXPECT_EQ(From(log, log.begin()), "6789");
}

TEST(OutputLogTest, IsTheEndOfTheStreamAtEveryMoment) {
  std::minstd_rand random(1);
  for (const size_t capacity : {1U, 2U, 7U, 64U}) {
    OutputLog log(capacity);
    std::string stream;
    for (int i = 0; i < 500; ++i) {
      std::string text(random() % (2 * capacity + 1), ' ');
      for (char& letter : text) letter = static_cast<char>('a' + random() % 26);
      Append(log, text);
      stream += text;
      ASSERT_EQ(log.end(), stream.size());
      const uint64_t position = log.begin() + random() % (log.end() - log.begin() + 1);
      ASSERT_EQ(From(log, position), stream.substr(position));
    }
  }
}

TEST(ResizeLineTest, HasTwoNumbers) {
  const Result<ConsoleSize> size = ParseResizeLine("resize 132 43");
  ASSERT_TRUE(size);
  EXPECT_EQ(*size, (ConsoleSize{.columns = 132, .rows = 43}));
  EXPECT_EQ(*ParseResizeLine("resize 1 65535"), (ConsoleSize{.columns = 1, .rows = 65535}));
}

TEST(ResizeLineTest, AnythingElseIsAnError) {
  for (const std::string_view line : {"",
                                      "resize",
                                      "resize ",
                                      "resize 80",
                                      "resize 80 ",
                                      "resize 80 24 ",
                                      "resize 80  24",
                                      " resize 80 24",
                                      "Resize 80 24",
                                      "resize 0 24",
                                      "resize 80 0",
                                      "resize 65536 24",
                                      "resize 80 65536",
                                      "resize -80 24",
                                      "resize +80 24",
                                      "resize 0x50 24",
                                      "resize 80 24\r",
                                      "resize 80,24",
                                      "resize 99999999999999999999 1",
                                      "size 80 24"}) {
    EXPECT_FALSE(ParseResizeLine(line)) << line;
  }
}

class MultiportTest : public ::testing::Test {
 protected:
  static virtio_console_control Message(uint32_t port, uint16_t event, uint16_t value) {
    return {.id = port, .event = event, .value = value};
  }
  bool Say(uint32_t port, uint16_t event, uint16_t value) {
    return multiport_.OnMessage(Message(port, event, value));
  }
  std::vector<ControlMessage> TakeAll() {
    std::vector<ControlMessage> messages;
    std::array<std::byte, Multiport::kMaxMessageBytes> room;
    for (;;) {
      const std::span<const std::byte> bytes = multiport_.NextMessage(room);
      if (bytes.empty()) return messages;
      virtio_console_control header;
      std::memcpy(&header, bytes.data(), sizeof(header));
      messages.push_back({header.id, header.event, header.value,
                          std::string(reinterpret_cast<const char*>(bytes.data()) + sizeof(header),
                                      bytes.size() - sizeof(header))});
      multiport_.DropMessage();
    }
  }

  Multiport multiport_{{{.name = "con", .is_console = true, .host_open = true, .size = {}},
                        {.name = "agent", .is_console = false, .host_open = false, .size = {}}},
                       ResizeOrder::kRowsFirst};
};

TEST_F(MultiportTest, SaysNothingBeforeTheDriverIsReady) {
  multiport_.SetHostOpen(1, true);
  multiport_.SetSize(0, {80, 24});
  EXPECT_THAT(TakeAll(), IsEmpty());
}

TEST_F(MultiportTest, AddsEachPortOnceTheDriverIsReady) {
  EXPECT_TRUE(Say(0xffffffff, kDeviceReady, 1));
  EXPECT_THAT(TakeAll(),
              ElementsAre(ControlMessage{0, kPortAdd, 1, ""}, ControlMessage{1, kPortAdd, 1, ""}));
}

TEST_F(MultiportTest, TellsAllAboutAPortThatIsReady) {
  multiport_.SetSize(0, {.columns = 0x6362, .rows = 0x7372});
  Say(0, kDeviceReady, 1);
  TakeAll();
  EXPECT_TRUE(Say(0, kPortReady, 1));
  EXPECT_THAT(
      TakeAll(),
      ElementsAre(ControlMessage{0, kConsolePort, 1, ""}, ControlMessage{0, kPortName, 1, "con"},
                  ControlMessage{0, kResize, 1, "rsbc"}, ControlMessage{0, kPortOpen, 1, ""}));
  EXPECT_TRUE(Say(1, kPortReady, 1));
  EXPECT_THAT(TakeAll(), ElementsAre(ControlMessage{1, kPortName, 1, "agent"}));
}

TEST_F(MultiportTest, SaysTheSizeInTheOrderOfTheSpecificationWhereToldTo) {
  Multiport multiport({{.name = "c",
                        .is_console = true,
                        .host_open = false,
                        .size = ConsoleSize{.columns = 0x6362, .rows = 0x7372}}},
                      ResizeOrder::kColumnsFirst);
  multiport.OnMessage(Message(0, kDeviceReady, 1));
  multiport.DropMessage();
  multiport.OnMessage(Message(0, kPortReady, 1));
  multiport.DropMessage();
  multiport.DropMessage();
  std::array<std::byte, Multiport::kMaxMessageBytes> room;
  const auto bytes = multiport.NextMessage(room);
  ASSERT_EQ(bytes.size(), 12U);
  EXPECT_EQ(std::memcmp(bytes.data() + 8, "bcrs", 4), 0);
}

TEST_F(MultiportTest, TellsWhatChangesLaterAndOnlyTheLastOfIt) {
  Say(0, kDeviceReady, 1);
  TakeAll();
  Say(0, kPortReady, 1);
  Say(1, kPortReady, 1);
  TakeAll();
  for (uint16_t i = 1; i <= 1000; ++i) multiport_.SetSize(0, {.columns = i, .rows = 1});
  for (int i = 0; i < 1001; ++i) multiport_.SetHostOpen(1, i % 2 == 0);
  EXPECT_THAT(TakeAll(), ElementsAre(ControlMessage{0, kResize, 1, std::string("\1\0\xe8\3", 4)},
                                     ControlMessage{1, kPortOpen, 1, ""}));
  multiport_.SetSize(0, {.columns = 1000, .rows = 1});
  EXPECT_THAT(TakeAll(), IsEmpty());
}

TEST_F(MultiportTest, AGenericPortHasNoSize) {
  Say(0, kDeviceReady, 1);
  TakeAll();
  Say(1, kPortReady, 1);
  TakeAll();
  multiport_.SetSize(1, {80, 24});
  EXPECT_THAT(TakeAll(), IsEmpty());
}

TEST_F(MultiportTest, KnowsWhatTheDriverHasOpen) {
  Say(0, kDeviceReady, 1);
  TakeAll();
  Say(1, kPortReady, 1);
  EXPECT_FALSE(multiport_.guest_open(1));
  EXPECT_TRUE(Say(1, kPortOpen, 1));
  EXPECT_TRUE(multiport_.guest_open(1));
  EXPECT_TRUE(Say(1, kPortOpen, 0));
  EXPECT_FALSE(multiport_.guest_open(1));
}

TEST_F(MultiportTest, WhatMakesNoSenseChangesNothing) {
  // Before the driver is ready, or not in answer to PORT_ADD.
  EXPECT_FALSE(Say(0, kPortReady, 1));
  EXPECT_FALSE(Say(0, kPortOpen, 1));
  EXPECT_FALSE(Say(0, kDeviceReady, 0));
  EXPECT_THAT(TakeAll(), IsEmpty());
  EXPECT_TRUE(Say(0, kDeviceReady, 1));
  EXPECT_FALSE(Say(0, kPortReady, 1)) << "before it was told of the port";
  TakeAll();
  EXPECT_FALSE(Say(0, kDeviceReady, 1)) << "twice";
  EXPECT_FALSE(Say(0, kPortOpen, 1)) << "before it is ready";
  EXPECT_FALSE(Say(0, kPortReady, 0)) << "it could not make the port";
  // Ports and events that are not there.
  for (const uint32_t port : {2U, 3U, 31U, 0x7fffffffU, 0xffffffffU}) {
    EXPECT_FALSE(Say(port, kPortReady, 1));
    EXPECT_FALSE(Say(port, kPortOpen, 1));
  }
  for (const unsigned event : {1U, 2U, 4U, 5U, 7U, 8U, 0xffffU}) {
    EXPECT_FALSE(Say(0, static_cast<uint16_t>(event), 1));
  }
  EXPECT_THAT(TakeAll(), IsEmpty());
  EXPECT_TRUE(Say(0, kPortReady, 1));
  EXPECT_FALSE(Say(0, kPortReady, 1)) << "twice";
  EXPECT_FALSE(Say(0, kPortOpen, 2));
}

TEST_F(MultiportTest, ResetForgetsTheDriverButNotThePorts) {
  Say(0, kDeviceReady, 1);
  TakeAll();
  Say(0, kPortReady, 1);
  Say(0, kPortOpen, 1);
  multiport_.Reset();
  EXPECT_THAT(TakeAll(), IsEmpty());
  EXPECT_FALSE(multiport_.guest_open(0));
  EXPECT_TRUE(Say(0, kDeviceReady, 1));
  EXPECT_EQ(TakeAll().size(), 2U);
}

}  // namespace
}  // namespace ember::virtio::testing
