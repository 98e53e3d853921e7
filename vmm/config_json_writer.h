#ifndef EMBER_VMM_CONFIG_JSON_WRITER_H_
#define EMBER_VMM_CONFIG_JSON_WRITER_H_

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/concat.h"
#include "vmm/config_json_value.h"

namespace ember::vmm {

// Appends the text as a JSON string, quotes included. JSON has no word for bytes that are not
// UTF-8; each becomes U+FFFD.
void AppendJsonString(std::string& out, std::string_view text);

// Writes JSON from front to back, without spaces. The caller closes what it opens and names every
// member of an object. A plain value.
//
//   JsonWriter out;
//   out.BeginObject().Field("vcpu_count", 2).Field("smt", false).EndObject();
//   return std::move(out).Take();   // {"vcpu_count":2,"smt":false}
class JsonWriter {
 public:
  // An object or array; with a name, as a member of the object under way.
  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& BeginObject(std::string_view name) { return Name(name).Open('{'); }
  JsonWriter& BeginArray(std::string_view name) { return Name(name).Open('['); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& EndArray() { return Close(']'); }

  JsonWriter& Field(std::string_view name, std::string_view text) {
    Name(name);
    AppendJsonString(out_, text);
    return *this;
  }
  JsonWriter& Field(std::string_view name, const char* text) {
    return Field(name, std::string_view(text));
  }
  JsonWriter& Field(std::string_view name, std::same_as<bool> auto value) {
    Name(name);
    out_ += value ? "true" : "false";
    return *this;
  }
  template <std::integral T>
  requires(!std::same_as<T, bool>) JsonWriter& Field(std::string_view name, T value) {
    Name(name);
    out_ += Concat(value);
    return *this;
  }
  // null where there is none.
  JsonWriter& OptionalField(std::string_view name, const std::optional<std::string>& text) {
    return text ? Field(name, std::string_view(*text)) : Null(name);
  }
  // A text in the array under way.
  JsonWriter& Element(std::string_view text) {
    Separate();
    AppendJsonString(out_, text);
    return *this;
  }
  JsonWriter& Null(std::string_view name) {
    Name(name);
    out_ += "null";
    return *this;
  }

  // A string within an array.
  JsonWriter& Item(std::string_view text) {
    Separate();
    AppendJsonString(out_, text);
    return *this;
  }

  std::string Take() && { return std::move(out_); }

 private:
  // A comma where something of the same container came before.
  void Separate() {
    if (!out_.empty() && out_.back() != '{' && out_.back() != '[' && out_.back() != ':') {
      out_ += ',';
    }
  }
  JsonWriter& Name(std::string_view name) {
    Separate();
    AppendJsonString(out_, name);
    out_ += ':';
    return *this;
  }
  JsonWriter& Open(char bracket) {
    Separate();
    out_ += bracket;
    return *this;
  }
  JsonWriter& Close(char bracket) {
    out_ += bracket;
    return *this;
  }

  std::string out_;
};

// A whole value, without spaces: ParseJson() makes the same of it again.
std::string ToText(const JsonValue& json);

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONFIG_JSON_WRITER_H_
