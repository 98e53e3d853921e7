#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/concat.h"
#include "tests/vmm/config_parts.h"

namespace ember::vmm {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// A value of each kind that JSON has, and how an error shows it.
struct Kind {
  std::string_view json;
  std::string_view shown;
};
constexpr Kind kKinds[] = {
    {"true", "boolean `true`"},
    {"7", "integer `7`"},
    {"-7", "integer `-7`"},
    {"1.5", "floating point `1.5`"},
    {R"("text")", R"(string "text")"},
    {"[]", "sequence"},
    {"{}", "map"},
};

std::string_view ExpectedName(FieldType type) {
  switch (type) {
    case FieldType::kBoolean:
      return "a boolean";
    case FieldType::kString:
    case FieldType::kChoice:
      return "a string";
    case FieldType::kU8:
      return "u8";
    case FieldType::kU16:
      return "u16";
    case FieldType::kU32:
      return "u32";
    case FieldType::kU64:
      break;
  }
  return "u64";
}

// Whether it is of the field's type, be it out of range.
bool IsOfType(FieldType type, std::string_view json) {
  switch (type) {
    case FieldType::kBoolean:
      return json == "true";
    case FieldType::kString:
    case FieldType::kChoice:
      return json.starts_with('"');
    case FieldType::kU8:
    case FieldType::kU16:
    case FieldType::kU32:
    case FieldType::kU64:
      break;
  }
  return json == "7" || json == "-7";
}

// The largest integer of a type, and the one after it; 0 where it is no integer type, or where
// there is none of 64 bits.
struct Limit {
  uint64_t last;
  uint64_t beyond;
};
Limit LimitOf(FieldType type) {
  switch (type) {
    case FieldType::kU8:
      return {.last = 0xff, .beyond = 0x100};
    case FieldType::kU16:
      return {.last = 0xffff, .beyond = 0x1'0000};
    case FieldType::kU32:
      return {.last = 0xffff'ffff, .beyond = 0x1'0000'0000};
    case FieldType::kU64:
      return {.last = ~uint64_t{0}, .beyond = 0};
    default:
      return {.last = 0, .beyond = 0};
  }
}

// Calls `check` with each field of each part, which a failure then names.
template <typename Check>
void ForEachField(Check check) {
  for (const Part& part : AllParts()) {
    for (const PartField& field : part.fields) {
      SCOPED_TRACE(Concat(part.name, ": ", field.name));
      check(part, field);
    }
  }
}

TEST(ConfigJsonFieldsTest, EveryPartIsReadWithAllItsFields) {
  for (const Part& part : AllParts()) {
    EXPECT_EQ(part.error(ObjectText(part.fields)), "") << part.name;
  }
}

TEST(ConfigJsonFieldsTest, AnAbsentFieldIsAnErrorThatNamesItWhereItIsRequired) {
  ForEachField([](const Part& part, const PartField& field) {
    const std::string error = part.error(ObjectText(part.fields, field.name));
    if (field.presence == Presence::kRequired) {
      EXPECT_EQ(error, Concat("missing field `", field.name, "`"));
    } else {
      EXPECT_EQ(error, "");
    }
  });
}

TEST(ConfigJsonFieldsTest, NullIsTakenOnlyWhereItMeansTheSameAsAbsence) {
  ForEachField([](const Part& part, const PartField& field) {
    const std::string error = part.error(ObjectText(part.fields, field.name, "null"));
    if (field.presence == Presence::kOptional) {
      EXPECT_EQ(error, "");
    } else {
      EXPECT_EQ(error,
                Concat(field.name, ": invalid type: null, expected ", ExpectedName(field.type)));
    }
  });
}

TEST(ConfigJsonFieldsTest, AValueOfAWrongTypeIsAnErrorThatNamesFieldValueAndType) {
  ForEachField([](const Part& part, const PartField& field) {
    for (const Kind& kind : kKinds) {
      if (IsOfType(field.type, kind.json)) continue;
      EXPECT_EQ(part.error(ObjectText(part.fields, field.name, kind.json)),
                Concat(field.name, ": invalid type: ", kind.shown, ", expected ",
                       ExpectedName(field.type)));
    }
  });
}

TEST(ConfigJsonFieldsTest, AnIntegerBeyondItsTypeIsAnErrorThatNamesFieldValueAndType) {
  ForEachField([](const Part& part, const PartField& field) {
    const Limit limit = LimitOf(field.type);
    if (limit.last == 0) return;
    std::vector<std::string> bad = {"-1", "-9223372036854775808"};
    if (limit.beyond != 0) {
      bad.push_back(Concat(limit.beyond));
      bad.emplace_back("18446744073709551615");
    }
    for (const std::string& value : bad) {
      EXPECT_EQ(part.error(ObjectText(part.fields, field.name, value)),
                Concat(field.name, ": invalid value: integer `", value, "`, expected ",
                       ExpectedName(field.type)));
    }
    EXPECT_EQ(part.error(ObjectText(part.fields, field.name, Concat(limit.last))), "");
    // No integer of 64 bits; a JSON number all the same.
    EXPECT_THAT(part.error(ObjectText(part.fields, field.name, "18446744073709551616")),
                StartsWith(Concat(field.name, ": invalid type: floating point")));
  });
}

TEST(ConfigJsonFieldsTest, AFieldTwiceIsAnErrorThatNamesIt) {
  ForEachField([](const Part& part, const PartField& field) {
    std::string text = ObjectText(part.fields);
    text.insert(1, Concat("\"", field.name, "\":", field.value, ","));
    EXPECT_EQ(part.error(text), Concat("duplicate field `", field.name, "`"));
  });
}

TEST(ConfigJsonFieldsTest, AnUnknownSiblingIsAnErrorThatNamesItAndTheKnownOnes) {
  for (const Part& part : AllParts()) {
    for (const std::string_view name : {"vcpus", "", "Smt", "drive-id"}) {
      std::string text = ObjectText(part.fields);
      text.insert(1, Concat("\"", name, "\":null,"));
      const std::string error = part.error(text);
      EXPECT_THAT(error, StartsWith(Concat("unknown field `", name, "`, expected "))) << part.name;
      for (const PartField& field : part.fields) {
        EXPECT_THAT(error, HasSubstr(Concat("`", field.name, "`"))) << part.name;
      }
    }
  }
}

TEST(ConfigJsonFieldsTest, WhatIsNoObjectIsAnError) {
  for (const Part& part : AllParts()) {
    for (const Kind& kind : kKinds) {
      if (kind.json == "{}") continue;
      EXPECT_EQ(part.error(kind.json), Concat("invalid type: ", kind.shown, ", expected a map"))
          << part.name;
    }
    EXPECT_EQ(part.error("null"), "invalid type: null, expected a map") << part.name;
  }
}

TEST(ConfigJsonFieldsTest, AChoiceTakesEachOfItsNamesAndNoOther) {
  struct Choices {
    std::string_view field;
    std::vector<std::string_view> names;
  };
  const std::vector<Choices> all = {
      {"cpu_template", {"C3", "T2", "T2S", "T2CL", "T2A", "V1N1", "None"}},
      {"huge_pages", {"None", "Transparent", "2M"}},
      {"boot_protocol", {"Auto", "Linux64", "Pvh"}},
      {"hardware_description", {"Acpi", "MpTable", "DeviceTree"}},
      {"cache_type", {"Unsafe", "Writeback"}},
      {"io_engine", {"Sync", "Async"}},
      {"thread", {"Vmm", "Own"}},
  };
  size_t tried = 0;
  ForEachField([&](const Part& part, const PartField& field) {
    for (const Choices& choices : all) {
      if (choices.field != field.name) continue;
      ++tried;
      for (const std::string_view name : choices.names) {
        EXPECT_EQ(part.error(ObjectText(part.fields, field.name, Concat("\"", name, "\""))), "");
      }
      for (const std::string_view name : {"", "none", "SYNC", "Acpi ", "0"}) {
        const std::string error =
            part.error(ObjectText(part.fields, field.name, Concat("\"", name, "\"")));
        EXPECT_THAT(error, StartsWith(Concat(field.name, ": unknown variant `", name, "`")));
        for (const std::string_view known : choices.names) {
          EXPECT_THAT(error, HasSubstr(Concat("`", known, "`")));
        }
      }
    }
    const bool listed = std::ranges::find(all, field.name, &Choices::field) != all.end();
    EXPECT_EQ(listed, field.type == FieldType::kChoice);
  });
  EXPECT_EQ(tried, 15U);  // some stand in several parts
}

TEST(ConfigJsonFieldsTest, ADriveWithASocketHasNothingThatItsBackEndDecides) {
  constexpr std::string_view kStart = R"({"drive_id":"a","is_root_device":false,"socket":"/s")";
  EXPECT_EQ(ReadError(Concat(kStart, R"(,"cache_type":"Writeback"})"), ReadDrive), "");
  for (const std::string_view field :
       {"path_on_host", "is_read_only", "rate_limiter", "io_engine"}) {
    EXPECT_EQ(ReadError(Concat(kStart, ",\"", field, "\":null}"), ReadDrive), "");
    EXPECT_EQ(ReadError(Concat(kStart, ",\"", field, "\":false}"), ReadDrive),
              Concat(field, ": not allowed beside socket"));
  }
}

TEST(ConfigJsonFieldsTest, AnErrorRepeatsNoMoreThanABitOfALongText) {
  const std::string longest(20000, 'x');
  for (const std::string& text :
       {Concat(R"({")", longest, R"(":1})"), Concat(R"({"vcpu_count":")", longest, R"("})"),
        Concat(R"({"vcpu_count":1,"mem_size_mib":1,"huge_pages":")", longest, R"("})")}) {
    const std::string error = ReadError(text, ReadMachineConfig);
    EXPECT_THAT(error, HasSubstr("xxx..."));
    EXPECT_LT(error.size(), 300U);
  }
}

// é is two bytes; from either start the cut may not leave half of one.
TEST(ConfigJsonFieldsTest, AnErrorCutsALongTextBetweenCharacters) {
  for (const std::string_view start : {"", "x"}) {
    std::string text(start);
    for (int i = 0; i < 100; ++i) text += "\xc3\xa9";
    const std::string error = ReadError(Concat(R"({")", text, R"(":1})"), ReadMachineConfig);
    const size_t cut = error.find("...");
    ASSERT_NE(cut, std::string::npos);
    EXPECT_EQ(error.substr(cut - 2, 2), "\xc3\xa9");
  }
}

}  // namespace
}  // namespace ember::vmm
