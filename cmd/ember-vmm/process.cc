#include "cmd/ember-vmm/process.h"

#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/server.h"
#include "base/clock.h"
#include "base/concat.h"
#include "base/event_loop.h"
#include "base/fatal_signals.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/program_pages.h"
#include "base/signals.h"
#include "cmd/ember-vmm/inherited_socket.h"
#include "devices/terminal.h"
#include "sandbox/confinement.h"
#include "virtio/block/spare_rings.h"
#include "vmm/config_json.h"
#include "vmm/controller.h"
#include "vmm/exit_code.h"
#include "vmm/given_files.h"
#include "vmm/virtual_machine.h"

namespace ember {
namespace {

using vmm::ExitCode;
using vmm::ToInteger;

// A file is as large as it must be, not as large as a disk.
constexpr uint64_t kMaxConfigFileBytes = uint64_t{1024} * 1024;
constexpr int kSignalExitBase = 128;

Status SetUpLog(const VmmOptions& options) {
  ConfigureLog({.level = options.level,
                .instance_id = options.id,
                .show_level = options.show_level,
                .show_origin = options.show_log_origin,
                .module = options.module});
  if (!options.log_path) return {};
  return OpenLogFile(*options.log_path);
}

Result<std::string> ReadTextFile(const std::string& path, uint64_t limit_bytes) {
  const Fd file = TRY(OpenFile(path, Access::kReadOnly));
  const uint64_t size = TRY(FileSize(file, path));
  if (size > limit_bytes) {
    return Error(Concat(path, ": ", size, " bytes exceed the limit ", limit_bytes));
  }
  std::string text(size, '\0');
  TRY_CONTEXT(ReadExactAt(file, 0, std::as_writable_bytes(std::span(text))), path);
  return text;
}

Result<std::string> ReadConfigFile(const std::string& path) {
  return ReadTextFile(path, kMaxConfigFileBytes);
}

// 0 where a parent names a time to come.
uint64_t Since(uint64_t begin_us, uint64_t now_us) {
  return begin_us > now_us ? 0 : now_us - begin_us;
}

// The process's parts, while it lives.
class Process {
 public:
  Process(const VmmOptions& options, std::chrono::nanoseconds started)
      : options_(options), started_(started) {}
  // The API ends before the controller that it asks.
  ~Process() {
    if (server_) server_->Stop();
  }

  // What the process exits with; an error is the host's.
  Result<int> Run();

 private:
  Status PrepareConfinement();
  Result<std::unique_ptr<api::Server>> OpenServer();
  Status WatchSignals();
  Result<int> Loop();
  void NoteStartTime();
  Status TakeTerminal();
  // A machine: the first one on this thread; another, in its place after a reset, on the worker.
  using Make = std::function<Result<std::unique_ptr<vmm::Machine>>()>;
  static Result<std::unique_ptr<vmm::Machine>> MakeMachine(const Make& make);
  Status BeforeGuest(const vmm::VmConfig& config);
  std::vector<sandbox::FileRule> FilesFor(const vmm::VmConfig& config) const;
  vmm::MachineHost Host();
  BootTimer::Start StartTimes() const;
  std::function<void(const Error&)> OnResetFailure();
  Status StartFromFile(const std::string& path);
  Status TakeMetadata(const std::string& path);
  size_t MetadataLimit() const;

  const VmmOptions& options_;
  const std::chrono::nanoseconds started_;
  int exit_code_ = ToInteger(ExitCode::kOk);
  std::string end_reason_;
  bool made_socket_ = false;  // and not inherited

  // Each uses those before it.
  virtio::SpareRings rings_;
  std::unique_ptr<api::Server> server_;
  std::unique_ptr<EventLoop> loop_;
  Fd signals_;
  std::optional<EventLoop::Watch> signal_watch_;
  std::optional<RawTerminal> terminal_;
  std::unique_ptr<vmm::Controller> controller_;
};

Result<int> Process::Run() {
  // Before any thread, which would not have them blocked.
  signals_ = TRY(BlockSignalsAndOpenSignalFd({SIGTERM, SIGINT, SIGHUP}));
  // First of all: clients connect as soon as the socket is there.
  if (!options_.no_api) {
    server_ = TRY(OpenServer());
  }
  if (!options_.no_seccomp) TRY(PrepareConfinement());
  loop_ = TRY(EventLoop::Create());
  TRY(WatchSignals());
  controller_ = std::make_unique<vmm::Controller>(
      *loop_,
      vmm::MachineFactory{
          .build =
              [this](const vmm::VmConfig& config) {
                return MakeMachine([&] { return vmm::VirtualMachine::Build(config, Host()); });
              },
          .restore =
              [this](const vmm::SnapshotLoad& load, const vmm::VmConfig& own) {
                return MakeMachine([&] { return vmm::VirtualMachine::Restore(load, own, Host()); });
              }},
      MetadataLimit(), options_.id);
  if (options_.metrics_path) {
    TRY(controller_->PerformHere(vmm::PutMetrics{{.metrics_path = *options_.metrics_path}}));
  }
  if (options_.metadata_file) {
    if (Status taken = TakeMetadata(*options_.metadata_file); !taken) {
      EMBER_LOG(kError, "metadata: ", taken.error().message());
      return ToInteger(ExitCode::kBadConfiguration);
    }
  }
  // Before the machine, with which this thread puts on a filter that lets it start none. Whoever
  // asks finds the machine there.
  if (server_) TRY(server_->StartThread(*controller_, options_.id));
  if (options_.config_file) {
    if (Status started = StartFromFile(*options_.config_file); !started) {
      EMBER_LOG(kError,
                "Configuration for VMM from one single json failed: ", started.error().message());
      return ToInteger(ExitCode::kBadConfiguration);
    }
  }
  return Loop();
}

Status Process::PrepareConfinement() {
  std::optional<sandbox::OwnedFilters> filters;
  if (options_.seccomp_filter) {
    filters = TRY_CONTEXT(sandbox::LoadFilterFile(*options_.seccomp_filter), "--seccomp-filter");
  }
  return sandbox::Prepare(std::move(filters));
}

Result<std::unique_ptr<vmm::Machine>> Process::MakeMachine(const Make& make) {
  Result<std::unique_ptr<vmm::Machine>> machine = nullptr;
  sandbox::RunOnWorker([&] { machine = make(); });
  return machine;
}

Status Process::BeforeGuest(const vmm::VmConfig& config) {
  if (sandbox::IsConfined()) return {};  // the worker
  TRY(TakeTerminal());
  if (!options_.no_seccomp) rings_.MakeNoMore();
  TRY(sandbox::LimitThreads(FilesFor(config)));
  ReleaseProgramPages();
  sandbox::Confine(sandbox::ThreadKind::kVmm);
  return {};
}

std::vector<sandbox::FileRule> Process::FilesFor(const vmm::VmConfig& config) const {
  // Clients may name any while the machine runs.
  if (options_.allow_paths.empty()) return {{.path = "/", .use = sandbox::FileUse::kFolder}};
  std::vector<sandbox::FileRule> rules = vmm::GivenFiles(config);
  if (made_socket_) rules.push_back(vmm::SocketRule(options_.api_sock));
  for (const std::string& path : options_.allow_paths) {
    rules.push_back({.path = path, .use = sandbox::FileUse::kFolder});
  }
  return rules;
}

Result<std::unique_ptr<api::Server>> Process::OpenServer() {
  const api::Server::Options options{.socket_path = options_.api_sock,
                                     .max_body_bytes = options_.http_api_max_payload_bytes};
  std::optional<Fd> inherited;
  if (options_.api_fd) inherited = TRY(TakeInherited(*options_.api_fd));
  if (options_.takes_listen_fds) inherited = TRY(TakeListenFd());
  if (inherited) return api::Server::Adopt(*std::move(inherited), options);
  made_socket_ = true;
  return api::Server::Listen(options);
}

Result<int> Process::Loop() {
  if (server_) server_->Serve();
  NoteStartTime();
  loop_->Run();
  controller_->NoteEnd({.reason = end_reason_, .exit_code = exit_code_});
  if (server_) server_->Stop();
  return exit_code_;
}

// As the parent asked for: from its first thought of us until we serve clients.
void Process::NoteStartTime() {
  const auto microseconds = [](const Clock& clock) {
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(clock.Now());
    return static_cast<uint64_t>(now.count());
  };
  vmm::ApiServerMetrics& metrics = controller_->metrics().api_server;
  if (options_.start_time_us) {
    metrics.process_startup_time_us.Set(
        Since(*options_.start_time_us, microseconds(MonotonicClock())));
  }
  if (options_.start_time_cpu_us) {
    metrics.process_startup_time_cpu_us.Set(
        Since(*options_.start_time_cpu_us, microseconds(ProcessCpuClock())) +
        options_.parent_cpu_time_us);
  }
}

Status Process::WatchSignals() {
  signal_watch_.emplace(TRY(loop_->WatchReadable(signals_.get(), [this] {
    while (const std::optional<int> signal = TakeSignal(signals_)) {
      fatal_signal_count(*signal).Add();
      exit_code_ = *signal == SIGHUP ? ToInteger(ExitCode::kHangUp) : kSignalExitBase + *signal;
      end_reason_ = Concat("ended by signal ", *signal);
      EMBER_LOG(kInfo, end_reason_, "; exit code ", exit_code_);
      loop_->Stop();
    }
  })));
  return {};
}

// Once the machine has started, keys go to the guest. In the background the terminal is not ours,
// and to change its mode would stop us.
Status Process::TakeTerminal() {
  if (terminal_ || ::tcgetpgrp(STDIN_FILENO) != ::getpgrp()) return {};
  terminal_.emplace(TRY(RawTerminal::Enter(STDIN_FILENO)));
  return {};
}

// From when the parent began to start us, where it says so, else from main.
BootTimer::Start Process::StartTimes() const {
  using std::chrono::microseconds;
  const auto time = [](uint64_t us) {
    constexpr uint64_t kLongest = std::numeric_limits<int64_t>::max() / 4000;  // in nanoseconds
    return microseconds(static_cast<int64_t>(std::min(us, kLongest)));
  };
  BootTimer::Start start{.wall = started_, .cpu = {}};
  if (options_.start_time_us) start.wall = time(*options_.start_time_us);
  if (options_.start_time_cpu_us) start.cpu = time(*options_.start_time_cpu_us);
  start.cpu -= time(options_.parent_cpu_time_us);
  return start;
}

vmm::MachineHost Process::Host() {
  vmm::MachineHost host{
      .loop = *loop_,
      .metadata = controller_->metadata(),
      .journal = controller_->journal(),
      .vitals = controller_->vitals(),
      .on_end =
          [this](const vmm::MachineEnd& end) {
            if (controller_->OnGuestEnd(end, OnResetFailure())) return;
            exit_code_ = ToInteger(end.exit_code);
            end_reason_ = end.reason;
            EMBER_LOG(kInfo, end_reason_, "; exit code ", exit_code_);
            loop_->Stop();
          },
      .boot_timer = std::nullopt,
      .console_input = STDIN_FILENO,
      .before_guest = [this](const vmm::VmConfig& config) { return BeforeGuest(config); },
      .rings = &rings_};
  if (options_.boot_timer) {
    host.boot_timer = StartTimes();
  }
  return host;
}

size_t Process::MetadataLimit() const {
  return options_.mmds_size_limit_bytes.value_or(options_.http_api_max_payload_bytes);
}

Status Process::TakeMetadata(const std::string& path) {
  // The limit is of the metadata written without spaces; a file may be spread out.
  const uint64_t limit_bytes = std::max<uint64_t>(kMaxConfigFileBytes, 2 * MetadataLimit());
  const std::string text = TRY(ReadTextFile(path, limit_bytes));
  mmds::Document document = TRY_CONTEXT(mmds::Document::Parse(text), path);
  if (controller_->metadata().store.Replace(std::move(document)) == mmds::DataStore::Change::kMade)
    return {};
  return Error(Concat(path, ": exceeds the limit of ", MetadataLimit(), " bytes"));
}

std::function<void(const Error&)> Process::OnResetFailure() {
  return [this](const Error& error) {
    exit_code_ = ToInteger(ExitCode::kGenericError);
    end_reason_ = Concat("the machine could not be reset: ", error.message());
    EMBER_LOG(kError, end_reason_, "; exit code ", exit_code_);
    loop_->Stop();
  };
}

Status Process::StartFromFile(const std::string& path) {
  const std::string text = TRY(ReadConfigFile(path));
  const vmm::VmConfig config = TRY_CONTEXT(vmm::ParseConfigFile(text, ReadConfigFile), path);
  if (config.logger) TRY(controller_->PerformHere(vmm::PutLogger{*config.logger}));
  if (config.metrics) TRY(controller_->PerformHere(vmm::PutMetrics{*config.metrics}));
  TRY(controller_->PerformHere(vmm::PutMachineConfig{config.machine}));
  if (config.cpu) TRY(controller_->PerformHere(vmm::PutCpuConfig{*config.cpu}));
  TRY(controller_->PerformHere(vmm::PutBootSource{*config.boot_source}));
  for (const vmm::DriveConfig& drive : config.drives) {
    TRY(controller_->PerformHere(vmm::PutDrive{drive}));
  }
  for (const vmm::PmemConfig& pmem : config.pmem) {
    TRY(controller_->PerformHere(vmm::PutPmem{pmem}));
  }
  for (const vmm::NetworkInterfaceConfig& interface : config.network_interfaces) {
    TRY(controller_->PerformHere(vmm::PutNetworkInterface{interface}));
  }
  if (config.mmds) TRY(controller_->PerformHere(vmm::PutMmdsConfig{*config.mmds}));
  if (config.balloon) TRY(controller_->PerformHere(vmm::PutBalloon{*config.balloon}));
  if (config.vsock) TRY(controller_->PerformHere(vmm::PutVsock{*config.vsock}));
  if (config.entropy) TRY(controller_->PerformHere(vmm::PutEntropy{*config.entropy}));
  if (config.memory_hotplug) {
    TRY(controller_->PerformHere(vmm::PutMemoryHotplug{*config.memory_hotplug}));
  }
  if (config.lifecycle) TRY(controller_->PerformHere(vmm::PutLifecycle{*config.lifecycle}));
  if (config.console) TRY(controller_->PerformHere(vmm::PutConsole{*config.console}));
  TRY(controller_->PerformHere(vmm::InstanceStart{}));
  return {};
}

}  // namespace

int RunProcess(const VmmOptions& options, std::chrono::nanoseconds started) {
  if (Status log = SetUpLog(options); !log) {
    EMBER_LOG(kError, "log: ", log.error().message());
    return ToInteger(ExitCode::kGenericError);
  }
  Result<int> exit_code = Process(options, started).Run();
  if (exit_code) return *exit_code;
  EMBER_LOG(kError, exit_code.error().message(), "; exit code ",
            ToInteger(ExitCode::kGenericError));
  return ToInteger(ExitCode::kGenericError);
}

}  // namespace ember
