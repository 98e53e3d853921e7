#include "virtio/block/overlay/overlay_disk.h"

#include <algorithm>
#include <utility>

#include "base/concat.h"
#include "base/log.h"

namespace ember::virtio {
namespace {

// The most that one call discards or zeroes by way of the map.
constexpr uint64_t kMaxClustersAtOnce = OverlayDisk::kMaxUncommitted;
// The most that one call moves.
constexpr uint64_t kMaxExtentBytes = uint64_t{64} << 20;

uint64_t SumOfSizes(std::span<const iovec> pieces) {
  uint64_t sum = 0;
  for (const iovec& piece : pieces) sum += piece.iov_len;
  return sum;
}

// Whether nothing was ever put into the file: it has no header, and no more bytes than one to which
// nothing but its header is missing.
Result<bool> IsBlank(ImageFile& file, const OverlayLayout& layout) {
  const uint64_t size_bytes = TRY(file.Size());
  if (size_bytes > layout.data_offset()) return false;
  OverlayHeaderBytes header{};
  TRY(ReadExactly(file, 0, std::span(header).first(std::min<uint64_t>(size_bytes, header.size()))));
  return std::ranges::all_of(header, [](std::byte byte) { return byte == std::byte{0}; });
}

Status CheckBase(const BaseIdentity& now, const BaseIdentity& then) {
  if (now.size_bytes != then.size_bytes) {
    return Error(Concat("the base has changed: it has ", now.size_bytes, " bytes, but had ",
                        then.size_bytes, " when the overlay was made"));
  }
  if (now.modified_ns != then.modified_ns) {
    return Error(Concat("the base has changed: it was modified at ", now.modified_ns,
                        " ns, but the overlay was made for a base of ", then.modified_ns, " ns"));
  }
  if (now.fingerprint != then.fingerprint) {
    return Error(Concat("the base has changed: its contents have the fingerprint ",
                        Hex{now.fingerprint}, ", but had ", Hex{then.fingerprint},
                        " when the overlay was made"));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<OverlayDisk>> OverlayDisk::Open(std::unique_ptr<ImageFile> file,
                                                       std::unique_ptr<ImageFile> base,
                                                       const Options& options) {
  const OverlayLayout wanted =
      TRY(OverlayLayout::Create(options.cluster_bytes, options.base.size_bytes));
  const bool blank = TRY(IsBlank(*file, wanted));
  const OverlayLayout layout = TRY(blank ? Format(*file, options) : Check(*file, options));
  std::unique_ptr<OverlayDisk> disk(
      new OverlayDisk(std::move(file), std::move(base), layout, options.serial));
  // A map that the one before us wrote may not be durable yet, and clusters that it leaves free
  // are not free before.
  TRY(disk->Sync());
  disk->map_.emplace(TRY(ClusterMap::Load(*disk->file_, layout, disk->data_clusters_)));
  return disk;
}

// Entries are at most as many as the disk's clusters, and what is retired at most as much as is
// uncommitted; one more is always free.
OverlayDisk::OverlayDisk(std::unique_ptr<ImageFile> file, std::unique_ptr<ImageFile> base,
                         const OverlayLayout& layout, const DiskSerial& serial)
    : file_(std::move(file)),
      base_(std::move(base)),
      layout_(layout),
      serial_(serial),
      data_clusters_(layout.cluster_count() + kMaxUncommitted + 1),
      scratch_(layout.cluster_bytes()) {}

OverlayDisk::~OverlayDisk() {
  if (!map_ || (map_->uncommitted_count() == 0 && !sync_error_)) return;
  if (const Status flushed = OverlayDisk::Flush(); !flushed) {
    EMBER_LOG(kError,
              "overlay closed: writes since the last flush are lost: ", flushed.error().message());
  }
}

// The header goes in last: until it is whole, the file is blank.
Result<OverlayLayout> OverlayDisk::Format(ImageFile& file, const Options& options) {
  const OverlayHeader header{.cluster_bytes = options.cluster_bytes,
                             .virtual_size_bytes = options.base.size_bytes,
                             .base = options.base};
  const OverlayLayout layout =
      TRY(OverlayLayout::Create(header.cluster_bytes, header.virtual_size_bytes));
  TRY(file.Extend(layout.data_offset()));
  TRY(file.Sync());
  TRY(WriteExactly(file, 0, EncodeOverlayHeader(header)));
  return layout;
}

Result<OverlayLayout> OverlayDisk::Check(ImageFile& file, const Options& options) {
  const uint64_t size_bytes = TRY(file.Size());
  if (size_bytes < kOverlayHeaderBytes) {
    return Error(Concat("truncated: the file has ", size_bytes, " bytes, a header has ",
                        kOverlayHeaderBytes));
  }
  OverlayHeaderBytes bytes;
  TRY(ReadExactly(file, 0, bytes));
  const OverlayHeader header = TRY(DecodeOverlayHeader(bytes));
  TRY(CheckBase(options.base, header.base));
  const OverlayLayout layout =
      TRY(OverlayLayout::Create(header.cluster_bytes, header.virtual_size_bytes));
  if (size_bytes < layout.data_offset()) {
    return Error(Concat("truncated: the file has ", size_bytes, " bytes, its map ends at ",
                        layout.data_offset()));
  }
  return layout;
}

OverlayDisk::Part OverlayDisk::FirstPart(uint64_t offset, uint64_t len_bytes) const {
  const uint32_t cluster_bytes = layout_.cluster_bytes();
  const auto cluster = static_cast<uint32_t>(offset / cluster_bytes);
  const auto begin = static_cast<uint32_t>(offset % cluster_bytes);
  const uint64_t of_disk = size_bytes() - uint64_t{cluster} * cluster_bytes;
  const auto len = static_cast<uint32_t>(std::min<uint64_t>(len_bytes, cluster_bytes - begin));
  return {.cluster = cluster,
          .begin = begin,
          .len_bytes = len,
          .whole = begin == 0 && len >= std::min<uint64_t>(cluster_bytes, of_disk)};
}

OverlayDisk::Extent OverlayDisk::Resolve(uint64_t offset, uint64_t max_bytes) const {
  max_bytes = std::min(max_bytes, kMaxExtentBytes);
  const Part first = FirstPart(offset, max_bytes);
  Extent extent{
      .place = map_->place(first.cluster), .file_offset = offset, .len_bytes = first.len_bytes};
  if (extent.place.is_data()) {
    extent.file_offset = layout_.DataOffset(extent.place.data_cluster()) + first.begin;
  }
  for (uint32_t next = 1; extent.len_bytes < max_bytes; ++next) {
    const ClusterPlace place = map_->place(first.cluster + next);
    const ClusterPlace beside = extent.place.is_data()
                                    ? ClusterPlace::Data(extent.place.data_cluster() + next)
                                    : extent.place;
    if (place != beside) break;
    extent.len_bytes += std::min<uint64_t>(layout_.cluster_bytes(), max_bytes - extent.len_bytes);
  }
  return extent;
}

Result<size_t> OverlayDisk::ReadSome(uint64_t offset, std::span<const iovec> into) {
  const uint64_t total = SumOfSizes(into);
  PieceCursor cursor(into);
  uint64_t done = 0;
  while (done < total) {
    const Extent extent = Resolve(offset + done, total - done);
    Result<size_t> moved = ReadExtent(extent, cursor);
    if (!moved && done == 0) return moved;
    if (!moved || *moved == 0) break;
    done += *moved;
  }
  return static_cast<size_t>(done);
}

Result<size_t> OverlayDisk::ReadExtent(const Extent& extent, PieceCursor& cursor) {
  if (extent.place.is_zeros()) return static_cast<size_t>(cursor.PutZeros(extent.len_bytes));
  ImageFile& source = extent.place.is_data() ? *file_ : *base_;
  const size_t moved = TRY(source.ReadSome(extent.file_offset, cursor.Peek(extent.len_bytes)));
  cursor.Pass(moved);
  return moved;
}

Result<size_t> OverlayDisk::WriteSome(uint64_t offset, std::span<const iovec> from) {
  const uint64_t total = SumOfSizes(from);
  PieceCursor cursor(from);
  uint64_t done = 0;
  while (done < total) {
    const Extent extent = Resolve(offset + done, total - done);
    Result<size_t> moved = WriteExtent(offset + done, extent, cursor);
    if (!moved && done == 0) return moved;
    if (!moved || *moved == 0) break;
    done += *moved;
  }
  return static_cast<size_t>(done);
}

Result<size_t> OverlayDisk::WriteExtent(uint64_t offset, const Extent& extent,
                                        PieceCursor& cursor) {
  if (extent.place.is_data()) {
    const size_t moved = TRY(file_->WriteSome(extent.file_offset, cursor.Peek(extent.len_bytes)));
    cursor.Pass(moved);
    return moved;
  }
  const Part part = FirstPart(offset, extent.len_bytes);
  TRY(WriteFresh(part, &cursor));
  return part.len_bytes;
}

Status OverlayDisk::WriteFresh(const Part& part, PieceCursor* cursor) {
  TRY(MakeRoomForEntry());
  TRY(FillScratch(part, cursor));
  const uint32_t data_cluster = data_clusters_.Take();
  if (Status written = WriteExactly(*file_, layout_.DataOffset(data_cluster), scratch_); !written) {
    data_clusters_.GiveBack(data_cluster);
    return written;
  }
  map_->Set(part.cluster, ClusterPlace::Data(data_cluster));
  return {};
}

Status OverlayDisk::FillScratch(const Part& part, PieceCursor* cursor) {
  const std::span<std::byte> scratch(scratch_);
  const std::span<std::byte> before = scratch.first(part.begin);
  const std::span<std::byte> middle = scratch.subspan(part.begin, part.len_bytes);
  const std::span<std::byte> after = scratch.subspan(part.begin + part.len_bytes);
  if (map_->place(part.cluster).is_base()) {
    const uint64_t start = uint64_t{part.cluster} * layout_.cluster_bytes();
    TRY(ReadBase(start, before));
    TRY(ReadBase(start + part.begin + part.len_bytes, after));
  } else {
    std::ranges::fill(before, std::byte{0});
    std::ranges::fill(after, std::byte{0});
  }
  if (cursor == nullptr) {
    std::ranges::fill(middle, std::byte{0});
  } else {
    cursor->CopyOut(middle);
  }
  return {};
}

// The last cluster may go on past the base's end: with zeros.
Status OverlayDisk::ReadBase(uint64_t offset, std::span<std::byte> out) {
  const uint64_t present = offset < size_bytes() ? size_bytes() - offset : 0;
  const std::span<std::byte> there = out.first(std::min<uint64_t>(out.size(), present));
  TRY_CONTEXT(ReadExactly(*base_, offset, there), "base");
  std::ranges::fill(out.subspan(there.size()), std::byte{0});
  return {};
}

Result<uint64_t> OverlayDisk::DiscardSome(uint64_t offset, uint64_t len_bytes) {
  uint64_t done = 0;
  for (uint64_t count = 0; done < len_bytes && count < kMaxClustersAtOnce; ++count) {
    const Part part = FirstPart(offset + done, len_bytes - done);
    if (part.whole && map_->place(part.cluster).is_data()) {
      Status marked = MarkZeros(part.cluster);
      if (!marked && done == 0) return tl::unexpected(std::move(marked).error());
      if (!marked) break;
    }
    done += part.len_bytes;
  }
  return done;
}

Result<uint64_t> OverlayDisk::ZeroSome(uint64_t offset, uint64_t len_bytes, ZeroMode mode) {
  uint64_t done = 0;
  for (uint64_t count = 0; done < len_bytes && count < kMaxClustersAtOnce; ++count) {
    const Part part = FirstPart(offset + done, len_bytes - done);
    Status zeroed = ZeroPart(part, mode);
    if (!zeroed && done == 0) return tl::unexpected(std::move(zeroed).error());
    if (!zeroed) break;
    done += part.len_bytes;
  }
  return done;
}

Status OverlayDisk::ZeroPart(const Part& part, ZeroMode mode) {
  const ClusterPlace place = map_->place(part.cluster);
  if (place.is_zeros()) return {};
  const bool keep = place.is_data() && mode == ZeroMode::kKeepAllocated;
  if (part.whole && !keep) return MarkZeros(part.cluster);
  if (place.is_base()) return WriteFresh(part, nullptr);
  const std::span<std::byte> zeros = std::span(scratch_).first(part.len_bytes);
  std::ranges::fill(zeros, std::byte{0});
  return WriteExactly(*file_, layout_.DataOffset(place.data_cluster()) + part.begin, zeros);
}

Status OverlayDisk::MarkZeros(uint32_t cluster) {
  TRY(MakeRoomForEntry());
  const ClusterPlace place = map_->place(cluster);
  map_->Set(cluster, ClusterPlace::Zeros());
  if (place.is_data()) data_clusters_.Retire(place.data_cluster());
  return {};
}

// A cluster may be retired, written again and retired again without a new entry.
Status OverlayDisk::MakeRoomForEntry() {
  const size_t retired = data_clusters_.retired().size();
  if (std::max(map_->uncommitted_count(), retired) < kMaxUncommitted) return {};
  return Flush();
}

Status OverlayDisk::Flush() {
  TRY(Sync());
  if (map_->uncommitted_count() == 0) return {};
  TRY(map_->WriteUncommitted(*file_, layout_));
  TRY(Sync());
  map_->MarkCommitted();
  for (const uint32_t data_cluster : data_clusters_.retired()) {
    file_->Deallocate(layout_.DataOffset(data_cluster), layout_.cluster_bytes());
  }
  data_clusters_.FreeRetired();
  return {};
}

Status OverlayDisk::Sync() {
  if (sync_error_) return tl::unexpected(*sync_error_);
  Status synced = file_->Sync();
  if (!synced) sync_error_ = synced.error();
  return synced;
}

}  // namespace ember::virtio
