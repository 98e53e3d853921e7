#include "vmm/snapshot/working_set.h"

#include "base/concat.h"
#include "snapshot/fields.h"
#include "snapshot/state_file.h"
#include "vmm/snapshot/snapshot_files.h"

namespace ember::vmm {

void Describe(snapshot::Fields& fields, WorkingSet& set) {
  fields.Add("snapshot", set.snapshot);
  fields.Add("pages", set.pages);
}

Status WriteWorkingSet(const std::string& path, const WorkingSet& set) {
  // A name of its own: several machines of one snapshot may write at once.
  const SnapshotName suffix = TRY(MakeSnapshotName());
  snapshot::NewFile file =
      TRY(snapshot::WriteStateFile(path, ToText(suffix), snapshot::ToTree(set)));
  return file.Publish();
}

Result<snapshot::PageBits> ReadWorkingSet(const std::string& path, const SnapshotName& snapshot,
                                          const std::vector<snapshot::MemoryPiece>& pieces) {
  const snapshot::StateFile file = TRY(snapshot::ReadStateFile(path));
  const WorkingSet set = TRY_CONTEXT(snapshot::FromTree<WorkingSet>(file.root, file.version), path);
  if (set.snapshot != snapshot) {
    return Error(Concat(path, " is the working set of the snapshot ", ToText(set.snapshot),
                        ", not of ", ToText(snapshot)));
  }
  return TRY_CONTEXT(ToPageBits(set.pages, pieces), path);
}

}  // namespace ember::vmm
