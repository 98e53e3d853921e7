// Several vCPUs and the loop at once on one device; the thread sanitizer watches.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/thread.h"
#include "devices/acpi_power.h"
#include "devices/i8042.h"
#include "devices/serial.h"
#include "devices/serial_input.h"
#include "devices/serial_output.h"
#include "tests/devices/pipe_ends.h"
#include "tests/devices/serial_guest.h"
#include "tests/fakes/recording_request_sink.h"

namespace ember {
namespace {

constexpr int kVcpus = 4;
constexpr int kRounds = 2000;

// Runs `body` on kVcpus threads at once, and waits for all.
void OnAllVcpus(const std::function<void(int vcpu)>& body) {
  std::vector<Thread> vcpus;
  for (int vcpu = 0; vcpu < kVcpus; ++vcpu) {
    auto thread = Thread::Start("vcpu", [&body, vcpu] { body(vcpu); });
    EMBER_CHECK(thread.has_value());
    vcpus.push_back(*std::move(thread));
  }
}

TEST(ConcurrencyTest, EveryByteThatVcpusTransmitLeavesOnce) {
  SerialGuest guest;
  guest.Set(UART_IER, UART_IER_THRI);
  OnAllVcpus([&guest](int vcpu) {
    for (int i = 0; i < kRounds; ++i) {
      guest.Set(UART_TX, 'a' + vcpu);
      guest.Get(UART_LSR);
      guest.Get(UART_IIR);
      guest.Set(UART_SCR, i);
    }
  });
  for (int vcpu = 0; vcpu < kVcpus; ++vcpu) {
    EXPECT_EQ(std::ranges::count(guest.sink.text(), 'a' + vcpu), kRounds);
  }
}

TEST(ConcurrencyTest, TheConsoleCarriesBothWaysWhileVcpusUseIt) {
  const std::unique_ptr<EventLoop> loop = *EventLoop::Create();
  PipeEnds out = PipeEnds::Create();
  PipeEnds in = PipeEnds::Create();
  const auto output = *SerialOutput::Create(*loop, std::move(out.writer), {}, MonotonicClock());
  CountingInterruptLine interrupt;
  Serial port(interrupt, *output);
  const auto input = *SerialInput::Create(*loop, std::move(in.reader), port);
  const std::string sent(3000, 'i');
  ASSERT_EQ(in.Write(sent), sent.size());

  Out(port, UART_FCR, UART_FCR_ENABLE_FIFO);
  Out(port, UART_IER, UART_IER_RDI | UART_IER_THRI);
  std::atomic<size_t> received = 0;
  std::string seen;
  auto watch = loop->WatchReadable(out.reader.get(), [&] { seen += out.ReadAll(); });
  ASSERT_TRUE(watch.has_value());
  {
    auto loop_thread = Thread::Start("loop", [&loop] { loop->Run(); });
    ASSERT_TRUE(loop_thread.has_value());
    OnAllVcpus([&](int) {
      for (int i = 0; i < kRounds; ++i) Out(port, UART_TX, 'o');
      while (received.load(std::memory_order_relaxed) < sent.size()) {
        if (In(port, UART_RX) == 'i') received.fetch_add(1, std::memory_order_relaxed);
      }
    });
    loop->Stop();
  }
  output->Flush();
  seen += out.ReadAll();
  EXPECT_EQ(received.load(std::memory_order_relaxed), sent.size());
  EXPECT_EQ(seen.size() + output->metrics().dropped_bytes.value(), size_t{kVcpus} * kRounds);
}

TEST(ConcurrencyTest, NoInputIsLostWhereTheGuestTakesItsRoomAwayAtAnyMoment) {
  const std::unique_ptr<EventLoop> loop = *EventLoop::Create();
  PipeEnds in = PipeEnds::Create();
  CountingInterruptLine interrupt;
  RecordingSerialSink sink;
  Serial port(interrupt, sink);
  const auto input = *SerialInput::Create(*loop, std::move(in.reader), port);
  std::string sent;
  for (int i = 0; i < kRounds; ++i) sent += std::to_string(i) + " ";
  ASSERT_EQ(in.Write(sent), sent.size());
  Out(port, UART_FCR, UART_FCR_ENABLE_FIFO);

  auto loop_thread = Thread::Start("loop", [&loop] { loop->Run(); });
  ASSERT_TRUE(loop_thread.has_value());
  std::string received;
  while (received.size() < sent.size()) {
    Out(port, UART_MCR, UART_MCR_RTS);
    while ((In(port, UART_LSR) & UART_LSR_DR) != 0) {
      received.push_back(static_cast<char>(In(port, UART_RX)));
    }
    Out(port, UART_MCR, UART_MCR_RTS | UART_MCR_LOOP);
  }
  loop->Stop();
  loop_thread->Join();
  EXPECT_EQ(received, sent);
}

TEST(ConcurrencyTest, TheKeyboardIsPressedWhileVcpusReadIt) {
  CountingInterruptLine interrupt;
  RecordingRequestSink machine;
  I8042 controller(interrupt, machine);
  std::atomic<uint64_t> sent = 0;
  std::atomic<uint64_t> received = 0;
  OnAllVcpus([&](int vcpu) {
    for (int i = 0; i < kRounds; ++i) {
      if (vcpu == 0 && controller.SendCtrlAltDel().has_value()) {
        sent.fetch_add(8, std::memory_order_relaxed);
      }
      In(controller, 4);
      if (In(controller, 0) != 0) received.fetch_add(1, std::memory_order_relaxed);
    }
  });
  while ((In(controller, 4) & 1) != 0) {
    In(controller, 0);
    received.fetch_add(1, std::memory_order_relaxed);
  }
  EXPECT_EQ(received.load(std::memory_order_relaxed), sent.load(std::memory_order_relaxed));
  EXPECT_GT(received.load(std::memory_order_relaxed), 0u);
}

TEST(ConcurrencyTest, APowerButtonPressIsSeenByExactlyOneReader) {
  CountingInterruptLine interrupt;
  AcpiEventRegister events(interrupt);
  for (int i = 0; i < 50; ++i) {
    events.PressPowerButton();
    std::atomic<int> seen = 0;
    OnAllVcpus([&](int) {
      if (In(events, 0) != 0) seen.fetch_add(1, std::memory_order_relaxed);
    });
    EXPECT_EQ(seen.load(std::memory_order_relaxed), 1);
  }
}

}  // namespace
}  // namespace ember
