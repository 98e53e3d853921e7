// ember-snapshot: what is done with snapshots while no machine uses them (docs/snapshots.md).
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "base/concat.h"
#include "base/result.h"
#include "vmm/snapshot/merge_diff.h"

namespace {

int Report(const ember::Result<uint64_t>& merged) {
  if (!merged) {
    std::fprintf(stderr, "ember-snapshot: %s\n", merged.error().message().c_str());
    return 1;
  }
  std::printf("%llu bytes of the diff merged\n", static_cast<unsigned long long>(*merged));
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Merges snapshots while no machine uses them.", "ember-snapshot");
  app.set_version_flag("--version", ember::Concat("Ember v", EMBER_VERSION));
  app.require_subcommand(1);
  CLI::App* const merge = app.add_subcommand(
      "merge", "Makes a memory file from that of a snapshot and the diff that followed it");
  ember::vmm::DiffMerge files;
  merge->add_option("--diff-state", files.diff.state, "State file of the diff")->required();
  merge->add_option("--diff-memory", files.diff.memory, "Memory file of the diff")->required();
  merge->add_option("--base-memory", files.base_memory, "Memory file of the snapshot before it")
      ->required();
  merge
      ->add_option("--out", files.out,
                   "The memory file to make, which then belongs to the diff's state; may be one of "
                   "the two, whose place it takes once it is whole")
      ->required();
  CLI11_PARSE(app, argc, argv);
  return Report(ember::vmm::MergeDiff(files));
}

}  // namespace

// Our own code does not throw; the library's may, where memory runs out.
int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "ember-snapshot: %s\n", exception.what());
  }
  return 1;
}
