#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "base/log.h"
#include "tests/vmm/metrics/metrics_fixture.h"
#include "vmm/metrics/metrics_line.h"

namespace ember::vmm {
namespace {

std::ifstream Open(const std::string& path) {
  std::ifstream file(Concat(EMBER_SOURCE_DIR, "/", path));
  EMBER_CHECK(file.good());
  return file;
}

// The keys of a line of a machine that has one of everything; ours apart.
struct Keys {
  std::set<std::string> contract;
  std::set<std::string> ours;
};
Keys KeysOfALine() {
  const ControlMetrics control;
  const mmds::MmdsMetrics mmds;
  const SampleMachine sample;
  MachineMetrics machine = sample.metrics();
  machine.drives.pop_back();
  MetricsLine line;
  VisitMetrics({.control = control, .mmds = mmds, .machine = machine}, line.Begin(1, ""));
  Keys keys;
  for (const auto& [path, number] : NumbersOf(line.Finish())) {
    (path.starts_with("ember.") ? keys.ours : keys.contract).insert(path);
  }
  return keys;
}

TEST(MetricsKeysTest, LineHasTheKeysOfTheContractAndNoOthers) {
  std::ifstream file = Open("tests/vmm/metrics/contract_keys.txt");
  const std::set<std::string> expected{std::istream_iterator<std::string>(file), {}};
  ASSERT_GT(expected.size(), 300u);
  EXPECT_EQ(KeysOfALine().contract, expected);
}

// "block_rootfs.read_agg.min_us" is told of in section block, in the row of read_agg.
std::string DocumentedName(std::string path) {
  for (const std::string_view extreme : {".min_us", ".max_us", ".sum_us"}) {
    if (path.ends_with(extreme)) path.resize(path.size() - extreme.size());
  }
  for (const auto& [with_id, family] :
       {std::pair<std::string_view, std::string_view>{"block_rootfs.", "block."},
        {"net_eth0.", "net."},
        {"pmem_p0.", "pmem."},
        {"vhost_user_block_s0.", "vhost_user_block."},
        {"ember.virtio_rootfs.", "ember.virtio."}}) {
    if (path.starts_with(with_id)) path.replace(0, with_id.size(), family);
  }
  return path;
}

// Sections of docs/metrics.md are headed "### `block`", rows begin with "| `read_bytes` |".
std::set<std::string> Documented() {
  std::set<std::string> names;
  std::ifstream file = Open("docs/metrics.md");
  std::string section;
  for (std::string line; std::getline(file, line);) {
    const size_t open = line.find('`');
    const size_t close = line.find('`', open + 1);
    if (open == std::string::npos || close == std::string::npos) continue;
    const std::string name = line.substr(open + 1, close - open - 1);
    if (line.starts_with("### `")) section = name;
    if (line.starts_with("| `")) names.insert(Concat(section, ".", name));
  }
  return names;
}

TEST(MetricsKeysTest, EachKeyIsDocumentedAndNothingElse) {
  Keys keys = KeysOfALine();
  keys.contract.erase("utc_timestamp_ms");
  keys.contract.merge(keys.ours);
  std::set<std::string> names;
  for (const std::string& path : keys.contract) names.insert(DocumentedName(path));
  EXPECT_EQ(Documented(), names);
}

}  // namespace
}  // namespace ember::vmm
