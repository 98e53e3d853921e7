#include "mmds/data_store.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/concat.h"

namespace ember::mmds {
namespace {

using Answer = DataStore::Answer;
using Change = DataStore::Change;
using Format = DataStore::Format;

Document Json(std::string_view text) {
  Result<Document> document = Document::Parse(text);
  EXPECT_TRUE(document) << document.error().message();
  return *std::move(document);
}

std::string ErrorOf(std::string_view text) {
  const Result<Document> document = Document::Parse(text);
  return document ? "" : document.error().message();
}

// A store with this in it.
struct Filled {
  explicit Filled(std::string_view text) { EXPECT_EQ(store.Replace(Json(text)), Change::kMade); }
  std::string Get(std::string_view path, Format format) const {
    const DataStore::Found found = store.Find(path, format);
    EXPECT_EQ(found.answer, Answer::kFound) << path;
    return found.text;
  }
  DataStore store{DataStore::kDefaultLimitBytes};
};

TEST(DocumentTest, IsAnObjectOfSoundJson) {
  EXPECT_EQ(ErrorOf("{}"), "");
  EXPECT_EQ(ErrorOf("[]"), "invalid type: array, expected a map");
  EXPECT_EQ(ErrorOf("null"), "invalid type: null, expected a map");
  EXPECT_EQ(ErrorOf("\"text\""), "invalid type: string, expected a map");
  for (const std::string_view text :
       {"", "{", "{\"a\"}", "{\"a\":}", "{} x", "{\"a\":\"\xff\"}", "{\"a\":01}", "{'a':1}"}) {
    EXPECT_NE(ErrorOf(text).find("parse error"), std::string::npos) << text;
  }
  EXPECT_EQ(ErrorOf(std::string_view("{}\0{", 4)), "parse error: byte 2 of the text is 0");
}

TEST(DocumentTest, IsNotDeeperThanItsLimit) {
  const auto nested = [](size_t depth) {
    std::string text = "{\"a\":";
    for (size_t i = 1; i < depth; ++i) text += '[';
    for (size_t i = 1; i < depth; ++i) text += ']';
    return text + "}";
  };
  EXPECT_EQ(ErrorOf("{\"a\":1}"), "");
  EXPECT_EQ(ErrorOf(nested(Document::kMaxDepth) + " "), "");
  EXPECT_EQ(ErrorOf(nested(Document::kMaxDepth + 1)), "nested deeper than 64 levels");
}

TEST(DataStoreTest, IsEmptyUntilSomethingIsPut) {
  DataStore store(DataStore::kDefaultLimitBytes);
  EXPECT_EQ(store.ToJson(), "{}");
  EXPECT_EQ(store.Merge(Json("{\"a\":1}")), Change::kNotInitialized);
  EXPECT_EQ(store.Find("/", Format::kJson).text, "null");
  EXPECT_EQ(store.Find("/", Format::kText).answer, Answer::kNoText);
  EXPECT_EQ(store.Find("/a", Format::kJson).answer, Answer::kNothing);
}

TEST(DataStoreTest, ReplaceForgetsWhatWasThere) {
  Filled filled("{\"a\":1}");
  EXPECT_EQ(filled.store.Replace(Json("{\"b\":2}")), Change::kMade);
  EXPECT_EQ(filled.store.ToJson(), "{\"b\":2}");
}

TEST(DataStoreTest, NamesComeInOrderAndTheLastOfTwoCounts) {
  EXPECT_EQ(Filled(R"({"b":1,"a":[true,null,-2,1.5,"x"],"b":{}})").store.ToJson(),
            R"({"a":[true,null,-2,1.5,"x"],"b":{}})");
}

// The table of RFC 7396, appendix A, as far as documents are objects.
TEST(DataStoreTest, MergeIsThatOfTheRfc) {
  const struct {
    const char* before;
    const char* patch;
    const char* after;
  } cases[] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", R"({})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"({"e":null})", R"({"a":1})", R"({"a":1,"e":null})"},
      {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
  };
  for (const auto& each : cases) {
    Filled filled(each.before);
    EXPECT_EQ(filled.store.Merge(Json(each.patch)), Change::kMade);
    EXPECT_EQ(filled.store.ToJson(), each.after) << each.before << " " << each.patch;
  }
}

TEST(DataStoreTest, HoldsAsManyBytesAsItsLimitAndNoneMore) {
  // {"a":"…"} without spaces.
  const auto of_size = [](size_t bytes) {
    return Json(Concat("{ \"a\" : \"", std::string(bytes - 8, 'x'), "\" }"));
  };
  DataStore store(100);
  EXPECT_EQ(store.Replace(of_size(101)), Change::kTooLarge);
  EXPECT_EQ(store.ToJson(), "{}");
  EXPECT_EQ(store.Replace(of_size(100)), Change::kMade);
  const std::string before = store.ToJson();
  EXPECT_EQ(before.size(), 100U);
  EXPECT_EQ(store.Merge(Json("{\"b\":1}")), Change::kTooLarge);
  EXPECT_EQ(store.Replace(of_size(200)), Change::kTooLarge);
  EXPECT_EQ(store.ToJson(), before);
  EXPECT_EQ(store.Merge(Json("{\"a\":1,\"b\":1}")), Change::kMade);
  EXPECT_EQ(store.ToJson(), "{\"a\":1,\"b\":1}");
}

TEST(DataStoreTest, IsReadByPath) {
  const Filled filled(R"({"latest":{"meta-data":{"id":"i-1","n":5,"macs":["m0","m1"]}},
                          "x/y":{"~z":"odd"}})");
  EXPECT_EQ(filled.Get("/latest/meta-data/id", Format::kText), "i-1");
  EXPECT_EQ(filled.Get("/latest/meta-data/id", Format::kJson), "\"i-1\"");
  EXPECT_EQ(filled.Get("/latest/meta-data/n", Format::kJson), "5");
  EXPECT_EQ(filled.Get("/latest/meta-data/macs/1", Format::kText), "m1");
  EXPECT_EQ(filled.Get("//latest///meta-data/id//", Format::kText), "i-1");
  EXPECT_EQ(filled.Get("/x~1y/~0z", Format::kText), "odd");
  EXPECT_EQ(filled.Get("/", Format::kText), "latest/\nx/y/");
  EXPECT_EQ(filled.Get("/latest/meta-data", Format::kText), "id\nmacs\nn");
  EXPECT_EQ(filled.Get("/latest/meta-data/", Format::kJson),
            R"({"id":"i-1","macs":["m0","m1"],"n":5})");
}

TEST(DataStoreTest, WhatIsNotThereIsNotFound) {
  const Filled filled(R"({"a":{"b":["x"]},"":1})");
  for (const std::string_view path :
       {"", "a", "/c", "/a/c", "/a/b/1", "/a/b/00", "/a/b/-", "/a/b/x", "/a/b/+0", "/a/b/0/0",
        "/a/b/99999999999999999999", "/~"}) {
    EXPECT_EQ(filled.store.Find(path, Format::kJson).answer, Answer::kNothing) << path;
  }
}

TEST(DataStoreTest, OnlyStringsAndObjectsAreText) {
  const Filled filled(R"({"n":1,"f":1.5,"b":true,"z":null,"l":[],"s":"","o":{}})");
  for (const std::string_view path : {"/n", "/f", "/b", "/z", "/l"}) {
    EXPECT_EQ(filled.store.Find(path, Format::kText).answer, Answer::kNoText) << path;
    EXPECT_EQ(filled.store.Find(path, Format::kJson).answer, Answer::kFound) << path;
  }
  EXPECT_EQ(filled.Get("/s", Format::kText), "");
  EXPECT_EQ(filled.Get("/o", Format::kText), "");
}

}  // namespace
}  // namespace ember::mmds
