#ifndef EMBER_VIRTIO_BLOCK_OVERLAY_OVERLAY_DISK_H_
#define EMBER_VIRTIO_BLOCK_OVERLAY_OVERLAY_DISK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "virtio/block/disk.h"
#include "virtio/block/image_file.h"
#include "virtio/block/overlay/cluster_map.h"
#include "virtio/block/overlay/data_clusters.h"
#include "virtio/block/overlay/format.h"
#include "virtio/block/overlay/piece_cursor.h"

namespace ember::virtio {

// A disk that reads as a base nobody writes to, but for the clusters that were changed: those are
// in an overlay file (docs/formats/overlay.md). Threads as Disk says.
//
// Whatever moment the process or the host dies at, the overlay opens afterwards, all that a Flush()
// covered is there, and each other sector is as it was at some time since. Flush() makes data
// durable before the map that names them; until then map entries are kept in memory, at most
// kMaxUncommitted, after which a write flushes by itself. The destructor flushes.
//
// Where the host fails to make anything durable, every flush fails from then on: what it has
// dropped by then cannot be known. So do writes that need another map entry; others go on.
class OverlayDisk final : public Disk {
 public:
  static constexpr size_t kMaxUncommitted = 1024;

  struct Options {
    BaseIdentity base;                              // the base's, as it is now
    uint32_t cluster_bytes = kDefaultClusterBytes;  // of an overlay that is made
    DiskSerial serial{};
  };

  // Reads the overlay in `file`; in one that is blank, makes it. Errors say what is wrong with it,
  // or what of the base differs from the one it was made for.
  static Result<std::unique_ptr<OverlayDisk>> Open(std::unique_ptr<ImageFile> file,
                                                   std::unique_ptr<ImageFile> base,
                                                   const Options& options);
  ~OverlayDisk() override;

  uint64_t size_bytes() const override { return layout_.virtual_size_bytes(); }
  Access access() const override { return Access::kReadWrite; }
  const DiskSerial& serial() const override { return serial_; }
  Result<size_t> ReadSome(uint64_t offset, std::span<const iovec> into) override;
  Result<size_t> WriteSome(uint64_t offset, std::span<const iovec> from) override;
  Status Flush() override;
  // Whole clusters that are in the overlay become zeros; the rest stays as it is.
  Result<uint64_t> DiscardSome(uint64_t offset, uint64_t len_bytes) override;
  Result<uint64_t> ZeroSome(uint64_t offset, uint64_t len_bytes, ZeroMode mode) override;

 private:
  // Parts of the disk beside each other that are beside each other where they are, too.
  struct Extent {
    ClusterPlace place;        // of the first cluster
    uint64_t file_offset = 0;  // in the overlay or the base, where it is in one
    uint64_t len_bytes = 0;
  };
  // What a range has of its first cluster.
  struct Part {
    uint32_t cluster = 0;
    uint32_t begin = 0;  // in the cluster
    uint32_t len_bytes = 0;
    bool whole = false;  // all the cluster has of the disk
  };

  OverlayDisk(std::unique_ptr<ImageFile> file, std::unique_ptr<ImageFile> base,
              const OverlayLayout& layout, const DiskSerial& serial);
  static Result<OverlayLayout> Format(ImageFile& file, const Options& options);
  static Result<OverlayLayout> Check(ImageFile& file, const Options& options);

  Extent Resolve(uint64_t offset, uint64_t max_bytes) const;
  Part FirstPart(uint64_t offset, uint64_t len_bytes) const;
  Result<size_t> ReadExtent(const Extent& extent, PieceCursor& cursor);
  Result<size_t> WriteExtent(uint64_t offset, const Extent& extent, PieceCursor& cursor);
  // Gives a cluster that is not in the overlay a data cluster: the new bytes, from `cursor` or
  // zeros where it is null, and what was around them.
  Status WriteFresh(const Part& part, PieceCursor* cursor);
  Status FillScratch(const Part& part, PieceCursor* cursor);
  Status ReadBase(uint64_t offset, std::span<std::byte> out);
  // A cluster of the overlay becomes zeros without a data cluster.
  Status MarkZeros(uint32_t cluster);
  Status ZeroPart(const Part& part, ZeroMode mode);
  // Flushes where one map entry more would be too many.
  Status MakeRoomForEntry();
  // Its error is kept for good.
  Status Sync();

  // Constant after construction.
  const std::unique_ptr<ImageFile> file_;
  const std::unique_ptr<ImageFile> base_;
  const OverlayLayout layout_;
  const DiskSerial serial_;

  DataClusters data_clusters_;
  std::optional<ClusterMap> map_;   // always there once open
  std::vector<std::byte> scratch_;  // one cluster
  std::optional<Error> sync_error_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_OVERLAY_OVERLAY_DISK_H_
