#include "cmd/ember-jailer/options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "base/concat.h"
#include "base/result.h"

namespace ember {
namespace {

// The arguments as text, before they are checked.
struct Words {
  std::string id;
  std::string exec_file;
  std::optional<std::string> uid;
  std::optional<std::string> gid;
  std::string base = "/srv/jailer";
  std::optional<std::string> netns;
  bool daemonize = false;
  bool new_pid_ns = false;
  std::vector<std::string> cgroups;
  std::optional<std::string> cgroup_version;
  std::optional<std::string> parent_cgroup;
  std::vector<std::string> limits;
  bool cleanup = false;
};

std::string ProgramName(int argc, const char* const* argv) {
  if (argc == 0) return "ember-jailer";
  const std::string_view path(argv[0]);
  const size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

// Under the contract's name launchers take the whole output for the release that we stand in for.
std::string VersionText(std::string_view program) {
  std::string contract = Concat("Jailer v", EMBER_API_VERSION, "\n");
  if (program == "jailer") return contract;
  return Concat("Ember v", EMBER_VERSION, "\n", contract);
}

void AddOptions(CLI::App& app, Words& words) {
  app.add_option("--id", words.id, "Identifier of the machine: letters, digits and '-'")
      ->required();
  app.add_option("--exec-file", words.exec_file, "The VMM's program, a static one")->required();
  app.add_option("--uid", words.uid, "The user that the VMM runs as");
  app.add_option("--gid", words.gid, "The group that the VMM runs as");
  app.add_option("--chroot-base-dir", words.base, "Where the jails are")->capture_default_str();
  app.add_option("--netns", words.netns, "Path of the network namespace to run in");
  app.add_flag("--daemonize", words.daemonize, "A session of its own, and no terminal");
  app.add_flag("--new-pid-ns", words.new_pid_ns, "A process namespace of its own");
  app.add_option("--cgroup", words.cgroups, "FILE=VALUE of the machine's cgroup; may be repeated")
      ->expected(1)
      ->take_all();
  app.add_option("--cgroup-version", words.cgroup_version,
                 "1 or 2 (default: 1 where the host has its controllers there, else 2)");
  app.add_option("--parent-cgroup", words.parent_cgroup,
                 "The cgroup that the machine's is made in (default: the program's name)");
  app.add_option("--resource-limit", words.limits,
                 "fsize=BYTES or no-file=COUNT (default: 2048); may be repeated")
      ->expected(1)
      ->take_all();
  app.add_flag("--cleanup", words.cleanup,
               "Remove what is left of the machine, once it has ended, and do nothing else");
}

Result<jailer::JailName> Name(const Words& words) {
  TRY(jailer::CheckId(words.id));
  jailer::JailName name{.id = words.id, .exec_file = words.exec_file, .base = words.base};
  name.exec_name = TRY(jailer::ExecName(words.exec_file));
  if (words.base.empty()) return Error("--chroot-base-dir may not be empty");
  if (words.parent_cgroup) {
    TRY(jailer::CheckParentCgroup(*words.parent_cgroup));
    name.parent_cgroup = words.parent_cgroup;
  }
  if (words.cgroup_version) {
    name.cgroup_version = TRY(jailer::ParseCgroupVersion(*words.cgroup_version));
  }
  return name;
}

// A machine and its pid file have to have names of their own in the jail's root.
Status CheckNoClash(const jailer::JailName& name) {
  if (name.exec_name != "dev" && name.exec_name != "run") return {};
  return Error(Concat("--exec-file: \"", name.exec_name, "\" is a directory of the jail"));
}

Result<jailer::Config> Configure(const Words& words) {
  jailer::Config config{.name = TRY(Name(words))};
  TRY(CheckNoClash(config.name));
  if (!words.uid) return Error("--uid is required");
  if (!words.gid) return Error("--gid is required");
  config.owner.uid = TRY_CONTEXT(jailer::ParseUserNumber(*words.uid), "--uid");
  config.owner.gid = TRY_CONTEXT(jailer::ParseUserNumber(*words.gid), "--gid");
  config.netns = words.netns;
  config.daemonize = words.daemonize;
  config.new_pid_ns = words.new_pid_ns;
  for (const std::string& text : words.cgroups) {
    config.cgroups.push_back(TRY(jailer::ParseCgroupSetting(text)));
  }
  for (const std::string& text : words.limits) {
    config.limits = TRY(jailer::WithLimit(config.limits, text));
  }
  return config;
}

}  // namespace

std::variant<jailer::Config, CleanUpRequest, EarlyExit> ParseCommandLine(int argc,
                                                                         const char* const* argv) {
  const std::string program = ProgramName(argc, argv);
  const auto bad_arguments = [&program](std::string_view what) {
    return EarlyExit{.exit_code = 1,
                     .error = Concat(program, ": ", what, "\nSee ", program, " --help.\n")};
  };
  Words words;
  CLI::App app{
      Concat(program, " makes a jail and runs a VMM in it; what follows -- is for the VMM."),
      program};
  app.set_help_flag("--help,-h", "This text");
  app.set_version_flag("--version", VersionText(program));
  AddOptions(app, words);
  const char* const* end = argv + argc;
  const char* const* separator =
      std::find_if(argv, end, [](const char* word) { return std::string_view(word) == "--"; });
  try {
    app.parse(static_cast<int>(separator - argv), argv);
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{.out = app.help()};
  } catch (const CLI::CallForVersion&) {
    return EarlyExit{.out = VersionText(program)};
  } catch (const CLI::ParseError& error) {
    return bad_arguments(error.what());
  }
  if (words.cleanup) {
    Result<jailer::JailName> name = Name(words);
    if (!name) return bad_arguments(name.error().message());
    return CleanUpRequest{*std::move(name)};
  }
  Result<jailer::Config> config = Configure(words);
  if (!config) return bad_arguments(config.error().message());
  if (separator != end) config->vmm_arguments.assign(separator + 1, end);
  return *std::move(config);
}

}  // namespace ember
