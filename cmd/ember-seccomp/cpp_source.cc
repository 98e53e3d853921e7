#include "cmd/ember-seccomp/cpp_source.h"

#include "base/concat.h"

namespace ember {
namespace {

std::string ArrayName(size_t index) { return Concat("k", index); }

}  // namespace

std::string CppSource(const sandbox::FilterSet& filters) {
  std::string out = "// Made by ember-seccomp.\n#include \"sandbox/filter_set.h\"\n\n";
  out += "namespace ember::sandbox {\nnamespace {\n\n";
  for (size_t i = 0; i < filters.size(); ++i) {
    out += Concat("constexpr sock_filter ", ArrayName(i), "[] = {  // ",
                  sandbox::kThreadKindNames[i], "\n");
    for (const sock_filter& instruction : filters[i]) {
      out += Concat("    {", Hex{instruction.code}, ", ", uint32_t{instruction.jt}, ", ",
                    uint32_t{instruction.jf}, ", ", Hex{instruction.k}, "},\n");
    }
    out += "};\n";
  }
  out += "\n}  // namespace\n\nFilterSet BuiltInFilters() { return {";
  for (size_t i = 0; i < filters.size(); ++i) out += Concat(i == 0 ? "" : ", ", ArrayName(i));
  out += "}; }\n\n}  // namespace ember::sandbox\n";
  return out;
}

}  // namespace ember
