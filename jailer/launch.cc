#include "jailer/launch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/concat.h"
#include "base/fd.h"
#include "jailer/cgroup_mounts.h"
#include "jailer/cgroups.h"
#include "jailer/child.h"
#include "jailer/devices.h"
#include "jailer/directory.h"
#include "jailer/executable.h"
#include "jailer/layout.h"
#include "jailer/namespaces.h"
#include "jailer/privileges.h"

namespace ember::jailer {
namespace {

enum class Caller { kRoot, kUser };

// The jail's directories, ours until they are given to the owner.
struct Tree {
  Directory root;
  Directory dev;
  Directory net;
  Directory run;
};

Result<Directory> MakeSeized(const Directory& parent, const std::string& name) {
  Directory made = TRY(parent.Make(name, 0700));
  TRY(made.Seize());
  return made;
}

// Seized from above: nobody else can change what is in it from here on.
Result<Tree> MakeTree(const Directory& machine) {
  Directory root = TRY(MakeSeized(machine, "root"));
  Directory dev = TRY(MakeSeized(root, "dev"));
  Directory net = TRY(MakeSeized(dev, "net"));
  Directory run = TRY(MakeSeized(root, "run"));
  return Tree{std::move(root), std::move(dev), std::move(net), std::move(run)};
}

// Outermost last: until then nobody gets in.
Status GiveTree(const Tree& tree, Owner owner) {
  for (const Directory* directory : {&tree.net, &tree.dev, &tree.run, &tree.root}) {
    TRY(directory->GiveTo(owner, 0700));
  }
  return {};
}

Status CheckUser(const Config& config) {
  if (config.owner.uid != ::geteuid()) {
    return Error(Concat("--uid ", config.owner.uid, " needs root; without, only the caller's, ",
                        ::geteuid(), ", will do"));
  }
  if (config.owner.gid != ::getegid()) {
    return Error(Concat("--gid ", config.owner.gid, " needs root; without, only the caller's, ",
                        ::getegid(), ", will do"));
  }
  if (config.netns) return Error("--netns needs root");
  std::fprintf(stderr,
               "ember-jailer: without root: the machine runs as the caller, uid %u, and keeps the "
               "caller's groups; it is not kept from his other processes by its uid, and its "
               "devices are the host's own\n",
               config.owner.uid);
  return {};
}

Status PrepareHost(const Config& config) {
  if (config.netns) TRY(JoinNetwork(*config.netns));
  if (!config.cgroups.empty() || config.name.parent_cgroup) {
    const std::vector<CgroupMount> mounts = TRY(ReadCgroupMounts());
    TRY(EnterCgroups(config, mounts));
  }
  return {};
}

// From the host into the jail, with all of its devices; descriptors of the host stay valid.
Status MoveIn(const Config& config, const Tree& tree, Caller caller) {
  if (caller == Caller::kRoot) {
    TRY(MakeDevices(tree.dev, tree.net, config.owner));
  } else {
    TRY(MakeDevicePlaces(tree.dev, tree.net));
  }
  const Directory mounted = TRY(MountJail(tree.root));
  if (caller == Caller::kUser) TRY(BindDevices(mounted));
  return EnterJail(mounted);
}

std::string Microseconds(std::chrono::nanoseconds time) {
  return Concat(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

// `cpu` is what this process, which becomes the VMM, had used when it began; `parent_cpu` what
// another used before.
Status Execute(const Config& config, const StartTimes& started,
               std::chrono::nanoseconds parent_cpu) {
  std::vector<std::string> words = {Concat("/", config.name.exec_name),
                                    "--id",
                                    config.name.id,
                                    "--start-time-us",
                                    Microseconds(started.wall),
                                    "--start-time-cpu-us",
                                    Microseconds(started.cpu),
                                    "--parent-cpu-time-us",
                                    Microseconds(parent_cpu)};
  words.insert(words.end(), config.vmm_arguments.begin(), config.vmm_arguments.end());
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  char* const no_environment[] = {nullptr};
  ::execve(words.front().c_str(), arguments.data(), no_environment);
  return Error::FromErrno("exec", words.front());
}

Status WritePid(const Fd& file, pid_t pid) {
  const std::string text = Concat(pid);
  return WriteAll(file, std::as_bytes(std::span(text)));
}

// The one descriptor that the VMM inherits: of a file that it can neither change nor find.
Status LetInherit(const Fd& lock) {
  if (::fcntl(lock.get(), F_SETFD, 0) < 0) return Error::FromErrno("fcntl");
  return {};
}

Status BecomeDaemon(const Fd& null) {
  if (::setsid() < 0) return Error::FromErrno("setsid");
  for (int standard = STDIN_FILENO; standard <= STDERR_FILENO; ++standard) {
    if (::dup2(null.get(), standard) < 0) return Error::FromErrno("dup2");
  }
  return {};
}

// The last steps, in the process that becomes the VMM.
struct LastSteps {
  const Config& config;
  Caller caller;
  mode_t umask;
  Fd null;  // of a daemon

  Status Run(const StartTimes& started, std::chrono::nanoseconds parent_cpu) const {
    if (null.valid()) TRY(BecomeDaemon(null));
    const Groups groups = caller == Caller::kRoot ? Groups::kClear : Groups::kKeep;
    TRY(ApplyLimits(config.limits));  // from here on nothing is opened or written
    TRY(DropPrivileges(config.owner, groups));
    ::umask(umask);
    return Execute(config, started, parent_cpu);
  }
};

Status Become(const LastSteps& last, const StartTimes& started, const Fd& pid_file) {
  const Config& config = last.config;
  if (!config.daemonize && !config.new_pid_ns) {
    TRY_CONTEXT(WritePid(pid_file, ::getpid()), "pid file");
    return last.Run(started, std::chrono::nanoseconds(0));
  }
  const auto parent_cpu = ProcessCpuClock().Now() - started.cpu;
  const StartTimes child_started{.wall = started.wall, .cpu = std::chrono::nanoseconds(0)};
  Child child = TRY(Child::Start(config.new_pid_ns ? PidNamespace::kNew : PidNamespace::kSame));
  if (child.is_self()) child.EndWith(last.Run(child_started, parent_cpu));
  TRY_CONTEXT(WritePid(pid_file, child.pid()), "pid file");
  return child.LetGo();
}

}  // namespace

Status Launch(const Config& config, const StartTimes& started) {
  TRY(CloseDescriptors());
  const Caller caller = ::geteuid() == 0 ? Caller::kRoot : Caller::kUser;
  if (caller == Caller::kUser) TRY(CheckUser(config));
  LastSteps last{.config = config, .caller = caller, .umask = ::umask(0)};
  const Fd program = TRY(OpenExecutable(config.name.exec_file));
  if (config.daemonize) last.null = TRY(OpenFile("/dev/null", Access::kReadWrite));

  // First, for only what is opened in the new namespace can be mounted there.
  TRY(caller == Caller::kRoot ? UnshareMounts() : UnshareUserAndMounts(config.owner));
  const ClaimedJail jail = TRY(ClaimJail(config.name));
  TRY(LetInherit(jail.lock));
  const Tree tree = TRY(MakeTree(jail.machine));
  TRY(CopyExecutable(program, tree.root, config.name.exec_name, config.owner));
  const std::string pid_name = Concat(config.name.exec_name, ".pid");
  TRY(tree.root.Remove(pid_name));
  const Fd pid_file = TRY(tree.root.CreateFile(pid_name, 0644));
  TRY(PrepareHost(config));
  TRY(MoveIn(config, tree, caller));
  TRY(GiveTree(tree, config.owner));
  return Become(last, started, pid_file);
}

}  // namespace ember::jailer
