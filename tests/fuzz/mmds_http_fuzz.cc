// Heads of requests to the metadata service, and documents to put and patch. The first byte says
// what the rest is.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "mmds/guest_service.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ember::mmds;  // NOLINT(google-build-using-namespace): a program of its own
  if (size == 0 || size > 8192) return 0;
  const uint8_t mode = data[0];
  const std::string text(data + 1, data + size);
  Metadata metadata(DataStore::kDefaultLimitBytes);
  metadata.store.Replace(
      *Document::Parse(R"({"latest":{"a":"b","n":1.5,"l":["x",{}]},"":{"~":0}})"));
  if ((mode & 1) != 0) {
    ember::Result<Document> document = Document::Parse(text);
    if (!document) return 0;
    static_cast<void>((mode & 2) != 0 ? metadata.store.Merge(*document)
                                      : metadata.store.Replace(*std::move(document)));
    const std::string json = metadata.store.ToJson();
    // What is shown is a document, and shows as the same.
    EMBER_CHECK(metadata.store.Replace(*Document::Parse(json)) == DataStore::Change::kMade);
    EMBER_CHECK(metadata.store.ToJson() == json);
    return 0;
  }
  GuestService service(metadata, {.needs_token = (mode & 2) != 0, .always_text = (mode & 4) != 0});
  const std::string answer = service.Handle(text + "\r\n\r\n").bytes;
  // One head, one body of the length that it tells.
  EMBER_CHECK(answer.starts_with("HTTP/1."));
  const size_t end = answer.find("\r\n\r\n");
  EMBER_CHECK(end != std::string::npos);
  const std::string length = "Content-Length: " + std::to_string(answer.size() - end - 4) + "\r\n";
  EMBER_CHECK(answer.substr(0, end + 2).ends_with(length));
  return 0;
}
