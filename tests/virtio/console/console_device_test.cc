// virtio-console as its driver sees it (virtio 1.2, 5.3): configuration, control queues, output,
// input, and drivers that break the rules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/concat.h"
#include "snapshot/fields.h"
#include "tests/virtio/console/console_bench.h"

namespace ember::virtio::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ConsoleConfigTest, TellsHowManyPortsThereAre) {
  ConsoleBench bench;
  EXPECT_EQ(bench.device->offered_features().bits(), 7U);  // SIZE, MULTIPORT, EMERG_WRITE
  EXPECT_EQ(bench.rig->driver.ReadWide(reg::kConfig + 4, 4), 2U);
  EXPECT_EQ(bench.rig->driver.ReadWide(reg::kConfig, 4), 0U);
  EXPECT_EQ(bench.device->max_queue_sizes().size(), 6U);
}

TEST(ConsoleConfigTest, EmergencyWritesAreOutputAtAnyTime) {
  ConsoleBench bench;
  ConsoleSocket client = bench.Attach(0);
  bench.rig->driver.Write(reg::kConfig + 8, 'a');  // before the driver did anything
  bench.guest->Start();
  bench.rig->driver.Write(reg::kConfig + 8, 0x12345600 | 'b');
  bench.rig->driver.WriteWide(reg::kConfig + 8, 'c', 1);
  EXPECT_EQ(client.Read(), "abc");
  EXPECT_EQ(bench.device->metrics().emergency_writes.value(), 3U);
}

TEST(ConsoleConfigTest, IsReadOnlyElsewhere) {
  ConsoleBench bench;
  ConsoleSocket client = bench.Attach(0);
  bench.guest->Start();
  for (uint64_t offset = 0; offset < 64; ++offset) {
    if (offset == 8) continue;
    for (const size_t width : {1U, 2U, 4U, 8U}) {
      bench.rig->driver.WriteWide(reg::kConfig + offset, ~uint64_t{0}, width);
    }
  }
  EXPECT_EQ(bench.rig->driver.ReadWide(reg::kConfig + 4, 4), 2U);
  EXPECT_EQ(client.Read(), "");
}

TEST(ConsoleConfigTest, HasTheSizeOfPort0) {
  ConsoleBench bench;
  bench.guest->Start(0);
  const uint32_t before = bench.rig->driver.Read(reg::kConfigGeneration);
  ConsoleSocket control = bench.AttachResize(0);
  control.Send("resize 132 43\n");
  bench.rig->Pump();
  EXPECT_EQ(bench.rig->driver.ReadWide(reg::kConfig, 2), 132U);
  EXPECT_EQ(bench.rig->driver.ReadWide(reg::kConfig + 2, 2), 43U);
  EXPECT_NE(bench.rig->driver.Read(reg::kConfigGeneration), before);
  EXPECT_EQ(bench.rig->driver.Read(reg::kInterruptStatus) & 2U, 2U);
}

TEST(ConsoleControlTest, TheHandshakeGoesAsLinuxDoesIt) {
  ConsoleBench bench;
  bench.guest->Start();
  bench.guest->PostControl(16);
  EXPECT_THAT(bench.guest->TakeControl(), IsEmpty());
  bench.guest->SendControl(0xffffffff, kDeviceReady, 1);
  EXPECT_THAT(bench.guest->TakeControl(),
              ElementsAre(ControlMessage{0, kPortAdd, 1, ""}, ControlMessage{1, kPortAdd, 1, ""}));
  bench.guest->SendControl(1, kPortReady, 1);
  EXPECT_THAT(bench.guest->TakeControl(), ElementsAre(ControlMessage{1, kPortName, 1, "agent"},
                                                      ControlMessage{1, kPortOpen, 1, ""}));
  bench.guest->SendControl(0, kPortReady, 1);
  EXPECT_THAT(bench.guest->TakeControl(), ElementsAre(ControlMessage{0, kConsolePort, 1, ""},
                                                      ControlMessage{0, kPortName, 1, "con"},
                                                      ControlMessage{0, kPortOpen, 1, ""}));
}

TEST(ConsoleControlTest, MessagesWaitForBuffers) {
  ConsoleBench bench;
  bench.guest->Start();
  bench.guest->SendControl(0, kDeviceReady, 1);
  bench.guest->PostControl(1);
  EXPECT_THAT(bench.guest->TakeControl(), ElementsAre(ControlMessage{0, kPortAdd, 1, ""}));
  bench.guest->SendControl(1, kPortReady, 1);  // too early, for it was not told
  bench.guest->PostControl(2);
  EXPECT_THAT(bench.guest->TakeControl(), ElementsAre(ControlMessage{1, kPortAdd, 1, ""}));
  EXPECT_EQ(bench.device->metrics().invalid_control.value(), 1U);
}

TEST(ConsoleControlTest, ABufferTooSmallComesBackEmptyAndTheMessageGoesIntoTheNext) {
  ConsoleBench bench;
  bench.guest->Start();
  bench.guest->PostControl(3, 7);
  bench.guest->SendControl(0, kDeviceReady, 1);
  EXPECT_THAT(bench.guest->TakeControl(), IsEmpty());
  EXPECT_EQ(bench.guest->control_receive().used_index(), 3U);
  bench.guest->PostControl(2, 8);
  EXPECT_EQ(bench.guest->TakeControl().size(), 2U);
}

TEST(ConsoleControlTest, AMessageThatIsTooShortIsABreach) {
  for (const size_t length : {1U, 7U}) {
    ConsoleBench bench;
    bench.guest->Start();
    bench.guest->SendControl(std::string(length, '\0'));
    EXPECT_NE(bench.rig->driver.status() & kNeedsReset, 0U) << length;
    bench.guest->StartAndOpen();
    EXPECT_EQ(bench.rig->driver.status() & kNeedsReset, 0U);
  }
}

TEST(ConsoleControlTest, WhatIsBehindAMessageIsPassedOver) {
  ConsoleBench bench;
  bench.guest->Start();
  bench.guest->PostControl(4);
  bench.guest->SendControl(std::string("\xff\xff\xff\xff\0\0\1\0and much more", 21));
  EXPECT_EQ(bench.guest->TakeControl().size(), 2U);
}

TEST(ConsoleControlTest, AFloodOfMessagesHasNoEffectAndNoCost) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  const uint64_t before = bench.device->metrics().invalid_control.value();
  for (int i = 0; i < 1000; ++i) {
    bench.guest->SendControl(static_cast<uint32_t>(i), static_cast<uint16_t>(i % 9), 1);
  }
  EXPECT_GT(bench.device->metrics().invalid_control.value(), before + 800);
  EXPECT_EQ(bench.rig->driver.status() & kNeedsReset, 0U);
}

TEST(ConsoleControlTest, WithMultiportTheControlQueuesMustBeThere) {
  ConsoleBench bench;
  bench.rig->driver.Negotiate(kMultiportFeature | kVersion1Feature);
  bench.rig->driver.EnableQueue(0, bench.guest->receive(0).place());
  bench.rig->driver.AddStatus(kDriverOk);
  EXPECT_NE(bench.rig->driver.status() & kNeedsReset, 0U);
  EXPECT_EQ(bench.device->metrics().activate_fails.value(), 1U);
}

TEST(ConsoleControlTest, AResizeIsToldToAConsoleThatIsReady) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket control = bench.AttachResize(0);
  control.Send("resize 80 24\nresize 132 43\n");
  bench.rig->Pump();
  EXPECT_EQ(control.Read(), "ok\nok\n");
  EXPECT_THAT(bench.guest->TakeControl(),
              ElementsAre(ControlMessage{0, kResize, 1, std::string("\x84\0\x2b\0", 4)}));
}

TEST(ConsoleControlTest, AResizeBeforeTheDriverComesWithTheHandshake) {
  ConsoleBench bench;
  ConsoleSocket control = bench.AttachResize(0);
  control.Send("resize 80 24\n");
  bench.rig->Pump();
  bench.guest->Start();
  bench.guest->PostControl(16);
  bench.guest->SendControl(0, kDeviceReady, 1);
  bench.guest->SendControl(0, kPortReady, 1);
  EXPECT_THAT(bench.guest->TakeControl(),
              ::testing::Contains(ControlMessage{0, kResize, 1, std::string("\x50\0\x18\0", 4)}));
}

TEST(ConsoleOutputTest, OfEachPortGoesToItsClients) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket console = bench.Attach(0), agent = bench.Attach(1);
  bench.guest->Write(0, "Welcome");
  bench.guest->Write(1, "hello");
  EXPECT_EQ(console.Read(), "Welcome");
  EXPECT_EQ(agent.Read(), "hello");
  EXPECT_EQ(bench.device->metrics().output_bytes.value(), 12U);
}

TEST(ConsoleOutputTest, OfADriverWithoutMultiportIsPort0s) {
  ConsoleBench bench;
  bench.guest->Start(0);
  ConsoleSocket console = bench.Attach(0), agent = bench.Attach(1);
  bench.guest->Write(0, "Welcome");
  bench.guest->Write(1, "nowhere");
  EXPECT_EQ(console.Read(), "Welcome");
  EXPECT_EQ(agent.Read(), "");
  console.Send("ls\n");
  bench.guest->PostInput(0, 16);
  EXPECT_EQ(bench.guest->TakeInput(0), "ls\n");
}

TEST(ConsoleOutputTest, IsTakenFromBuffersInPieces) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket client = bench.Attach(0);
  const GuestAddress at = bench.rig->ram.Allocate(16);
  std::memcpy(bench.rig->ram.Bytes(at, 9).data(), "one2three", 9);
  bench.guest->transmit(0).Add({{at, 3, false}, {at + 3, 1, false}, {at + 4, 5, false}});
  bench.guest->transmit(0).Add({{at, 3, false}, {at + 8, 8, true}});  // what it may write stays
  bench.guest->Kick(bench.guest->transmit(0));
  EXPECT_EQ(client.Read(), "one2threeone");
  EXPECT_EQ(bench.guest->transmit(0).TakeUsed()->len, 0U);
}

TEST(ConsoleOutputTest, ALargeBufferIsTakenOverManyWakeUps) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  const GuestAddress at = bench.rig->ram.Allocate(4 << 20);
  bench.guest->transmit(0).Add({Segment{at, 4 << 20, false}});
  bench.guest->transmit(0).Publish();
  bench.rig->driver.Notify(1);
  uint64_t before = bench.device->metrics().output_bytes.value();
  int wake_ups = 0;
  while (bench.rig->PumpOnce()) {
    const uint64_t now = bench.device->metrics().output_bytes.value();
    EXPECT_LE(now - before, uint64_t{WorkBudget::kWakeUpBytes} + ConsolePort::kFlushBytes);
    before = now;
    ++wake_ups;
  }
  EXPECT_EQ(before, uint64_t{4} << 20);
  EXPECT_GE(wake_ups, 16);
  EXPECT_EQ(bench.guest->transmit(0).used_index(), 1U);
}

TEST(ConsoleOutputTest, IsNeverHeldUpByTheHost) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket never_reads = bench.Attach(0);
  for (int i = 0; i < 64; ++i) bench.guest->Write(0, std::string(kTextBytes, 'x'));
  EXPECT_EQ(bench.device->metrics().output_bytes.value(), uint64_t{64} * kTextBytes);
}

TEST(ConsoleOutputTest, GoesIntoAFileToo) {
  TemporaryDirectory directory;
  const std::string path = directory.Write("output", "what was there before");
  ConsoleBench bench(std::vector<ConsolePort::Options>{
      {.name = "con", .socket_path = {}, .is_console = true, .output_path = path}});
  bench.guest->StartAndOpen();
  bench.guest->Write(0, "one");
  bench.guest->Write(0, "two");
  EXPECT_EQ(TemporaryDirectory::Read(path), "onetwo");
}

TEST(ConsoleOutputTest, ToAFileThatIsFullIsLostThereButNotElsewhere) {
  ConsoleBench bench(std::vector<ConsolePort::Options>{
      {.name = "con", .socket_path = {}, .is_console = true, .output_path = "/dev/full"}});
  bench.guest->StartAndOpen();
  ConsoleSocket client = bench.Attach(0);
  bench.guest->Write(0, "text");
  EXPECT_EQ(client.Read(), "text");
  EXPECT_EQ(bench.device->metrics().output_file_fails.value(), 1U);
}

TEST(ConsoleInputTest, GoesIntoTheGuestsBuffers) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket client = bench.Attach(1);
  bench.guest->PostInput(1, 4);
  bench.guest->PostInput(1, 64);
  client.Send("abcdefgh");
  bench.rig->Pump();
  EXPECT_EQ(bench.guest->TakeInput(1), "abcdefgh");
  EXPECT_EQ(bench.device->metrics().input_bytes.value(), 8U);
  client.Send("more");
  bench.guest->PostInput(1, 64);
  EXPECT_EQ(bench.guest->TakeInput(1), "more");
}

TEST(ConsoleInputTest, OfAllClientsIsTakenInTurns) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket one = bench.Attach(0), other = bench.Attach(0);
  one.Send("1111");
  other.Send("2222");
  bench.rig->Pump();
  for (int i = 0; i < 4; ++i) bench.guest->PostInput(0, 2);
  EXPECT_EQ(bench.guest->TakeInput(0), "11221122");
}

TEST(ConsoleInputTest, WaitsInTheClientsSocketWhileTheGuestHasNoRoom) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket client = bench.Attach(0);
  const std::string block(65536, 'i');
  size_t sent = 0;
  for (int i = 0; i < 100; ++i) {
    sent += client.SendSome(block);
    bench.rig->Pump();
  }
  EXPECT_LT(sent, 8 * block.size()) << "the socket's buffer and no more";
  EXPECT_EQ(bench.device->metrics().input_bytes.value(), 0U);
  size_t got = 0;
  while (got < sent) {
    bench.guest->PostInput(0, 4096);
    const size_t now = bench.guest->TakeInput(0).size();
    ASSERT_GT(now, 0U);
    got += now;
    if (bench.rig->ram.Allocate(1) > GuestAddress{uint64_t{7} << 20}) break;
  }
  EXPECT_GT(client.SendSome(block), 0U);
}

TEST(ConsoleInputTest, WaitsUntilTheGuestOpensThePort) {
  ConsoleBench bench;
  bench.guest->Start();
  ConsoleSocket client = bench.Attach(1);
  client.Send("early");
  bench.guest->PostInput(1, 64);
  bench.guest->PostControl(16);
  bench.guest->SendControl(0, kDeviceReady, 1);
  bench.guest->SendControl(1, kPortReady, 1);
  EXPECT_EQ(bench.guest->TakeInput(1), "");
  bench.guest->SendControl(1, kPortOpen, 1);
  EXPECT_EQ(bench.guest->TakeInput(1), "early");
  bench.guest->SendControl(1, kPortOpen, 0);
  bench.guest->PostInput(1, 64);
  client.Send("late");
  bench.rig->Pump();
  EXPECT_EQ(bench.guest->TakeInput(1), "");
  bench.guest->SendControl(1, kPortOpen, 1);
  EXPECT_EQ(bench.guest->TakeInput(1), "late");
}

TEST(ConsoleInputTest, ABufferWithoutRoomComesBackEmpty) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket client = bench.Attach(0);
  client.Send("x");
  bench.guest->receive(0).Add({Segment{bench.rig->ram.Allocate(8), 8, false}});
  bench.guest->Kick(bench.guest->receive(0));
  EXPECT_EQ(bench.guest->receive(0).TakeUsed()->len, 0U);
  bench.guest->PostInput(0, 8);
  EXPECT_EQ(bench.guest->TakeInput(0), "x");
}

TEST(ConsoleBreachTest, OnAnyQueueStopsAllUntilAReset) {
  for (uint32_t queue = 0; queue < 6; ++queue) {
    SCOPED_TRACE(queue);
    ConsoleBench bench;
    bench.guest->StartAndOpen();
    ConsoleSocket client = bench.Attach(0);
    client.Send("input");
    ConsoleSocket control = bench.AttachResize(0);
    DriverRing& ring = queue < 2 ? (queue == 0 ? bench.guest->receive(0) : bench.guest->transmit(0))
                       : queue == 2 ? bench.guest->control_receive()
                       : queue == 3 ? bench.guest->control_transmit()
                       : queue == 4 ? bench.guest->receive(1)
                                    : bench.guest->transmit(1);
    ring.SetAvailableIndex(static_cast<uint16_t>(ring.available_index() + 100));
    ConsoleSocket agent = bench.Attach(1);
    agent.Send("input");
    bench.rig->driver.Notify(queue);
    bench.rig->Pump();
    // Until the buffers are used up that the device knows of.
    for (int i = 1; i < 40; ++i) {
      control.Send(Concat("resize ", i, " 24\n"));
      bench.rig->Pump();
    }
    EXPECT_NE(bench.rig->driver.status() & kNeedsReset, 0U);
    const uint16_t used = bench.guest->transmit(0).used_index();
    bench.guest->Write(0, "lost");
    client.Send("more input");
    bench.rig->Pump();
    EXPECT_EQ(bench.guest->transmit(0).used_index(), used);

    bench.guest->StartAndOpen();
    bench.guest->PostInput(0, 64);
    bench.guest->Write(0, "again");
    EXPECT_EQ(bench.guest->TakeInput(0), "inputmore input");
    EXPECT_EQ(client.Read(), "again");
  }
}

TEST(ConsoleResetTest, ClientsStayAndGoOnWithTheNextDriver) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket client = bench.Attach(0);
  bench.guest->Write(0, "first boot ");
  bench.guest->PostInput(0, 4096);
  for (int i = 0; i < 100; ++i) {
    bench.rig->driver.Write(reg::kStatus, 0);
    ASSERT_EQ(bench.rig->driver.status(), 0U);
    if (i == 50) client.Send("typed while it was down");
    bench.rig->Pump();
    bench.guest->StartAndOpen();
  }
  bench.guest->Write(0, "next boot");
  bench.guest->PostInput(0, 4096);
  EXPECT_EQ(client.Read(), "first boot next boot");
  EXPECT_EQ(bench.guest->TakeInput(0), "typed while it was down");
}

// virtio.md, 13: with a chain of output half done, and a buffer held for input.
TEST(ConsoleResetTest, InTheMiddleOfWorkTouchesNoRingAfterwards) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket client = bench.Attach(0);
  bench.guest->PostInput(0, 64);
  const GuestAddress at = bench.rig->ram.Allocate(2 << 20);
  bench.guest->transmit(0).Add({Segment{at, 2 << 20, false}});
  bench.guest->transmit(0).Publish();
  bench.rig->driver.Notify(1);
  ASSERT_TRUE(bench.rig->PumpOnce());
  bench.rig->driver.Write(reg::kStatus, 0);
  client.Send("after");
  bench.rig->Pump();
  EXPECT_EQ(bench.guest->transmit(0).used_index(), 0U);
  EXPECT_EQ(bench.guest->receive(0).used_index(), 0U);
  EXPECT_EQ(bench.guest->TakeInput(0), "");
}

TEST(ConsoleResetTest, TheDeviceCanGoAwayInTheMiddleOfWork) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  ConsoleSocket client = bench.Attach(0);
  client.Send("input");
  bench.guest->transmit(0).Add({Segment{bench.rig->ram.Allocate(2 << 20), 2 << 20, false}});
  bench.guest->transmit(0).Publish();
  bench.rig->driver.Notify(1);
  EXPECT_TRUE(bench.rig->PumpOnce());
}

TEST(ConsoleRestTest, PutsBackItsRoomAndPassesOutputOnToRest) {
  ConsoleBench bench;
  bench.guest->StartAndOpen();
  bench.guest->PostControl(2);
  bench.guest->PostInput(0, 64);
  bench.guest->PostInput(1, 64);
  const uint16_t said = bench.guest->control_receive().used_index();
  const SavedMmio saved = bench.rig->Save();
  EXPECT_EQ(saved.device.queues[0].position, bench.guest->receive(0).used_index());
  EXPECT_EQ(saved.device.queues[2].position, said);
  bench.rig->Pump();
  ConsoleSocket client = bench.Attach(0);
  client.Send("input");
  bench.rig->Pump();
  EXPECT_EQ(bench.guest->TakeInput(0), "input");

  // More than a wake-up takes.
  const GuestAddress text = bench.rig->ram.Allocate(1 << 20);
  DriverRing& output = bench.guest->transmit(0);
  output.Add({Segment{text, 1 << 20, false}});
  output.Publish();
  bench.rig->driver.Notify(1);
  bench.rig->PumpOnce();
  const uint16_t before = output.used_index();
  EXPECT_EQ(bench.rig->Save().device.queues[1].position, before + 1);
  EXPECT_EQ(bench.device->metrics().output_bytes.value(), uint64_t{1} << 20);
}

// What the driver knows of a port's clients is of another machine's.
TEST(ConsoleStateTest, GoesOnWithTheConversation) {
  ConsoleBench bench({{.name = "con", .is_console = true}, {.name = "agent", .log_bytes = 0}});
  bench.guest->StartAndOpen();
  const ConsoleSocket client = bench.Attach(1);
  bench.guest->PostControl(4);
  bench.guest->TakeControl();
  const SavedMmio saved = bench.rig->Save();
  ConsoleDevice::Options options = bench.options;
  options.state =
      snapshot::FromTree<ConsoleState>(snapshot::ToTree(bench.device->Save()), 1).value();
  EXPECT_TRUE(options.state->ports[1].host_open);
  for (ConsolePort::Options& port : options.ports) port.socket_path += ".copy";
  const auto device = *ConsoleDevice::Create(options);
  FakeInterruptLine line;
  const auto copy = *MmioTransport::Create(*device, bench.rig->ram.memory(), line);
  ASSERT_TRUE(copy->Restore(saved));
  copy->state().ProcessQueue(ControlQueues::kReceive);
  EXPECT_EQ(bench.guest->TakeControl(),
            (std::vector<ControlMessage>{{.port = 1, .event = kPortOpen, .value = 0}}));
}

TEST(ConsoleStateTest, MustBeOfTheSamePorts) {
  ConsoleBench bench;
  ConsoleDevice::Options options = bench.options;
  for (ConsolePort::Options& port : options.ports) port.socket_path += ".copy";
  options.state = bench.device->Save();
  options.state->ports.pop_back();
  const auto device = ConsoleDevice::Create(options);
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().message(), "console: the snapshot has 1 ports, the device 2");
}

}  // namespace
}  // namespace ember::virtio::testing
