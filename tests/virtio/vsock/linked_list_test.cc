#include "virtio/vsock/linked_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <list>
#include <random>
#include <vector>

namespace ember::virtio::testing {
namespace {

struct Item {
  ListPlace<Item> place;
};
using List = LinkedList<Item, &Item::place>;

std::vector<const Item*> Drain(List& list) {
  std::vector<const Item*> drained;
  while (Item* const front = list.front()) {
    drained.push_back(front);
    list.Remove(*front);
  }
  return drained;
}

TEST(LinkedListTest, GivesFirstWhatCameFirst) {
  std::array<Item, 3> items;
  List list;
  EXPECT_TRUE(list.empty());
  for (Item& item : items) list.PushBack(item);
  EXPECT_FALSE(list.empty());
  EXPECT_EQ(Drain(list), (std::vector<const Item*>{&items[0], &items[1], &items[2]}));
  EXPECT_TRUE(list.empty());
}

TEST(LinkedListTest, LeavesInItsPlaceWhatIsPushedTwice) {
  std::array<Item, 2> items;
  List list;
  list.PushBack(items[0]);
  list.PushBack(items[1]);
  list.PushBack(items[0]);
  EXPECT_EQ(Drain(list), (std::vector<const Item*>{&items[0], &items[1]}));
}

TEST(LinkedListTest, IgnoresTheRemovalOfWhatIsNotThere) {
  std::array<Item, 2> items;
  List list;
  list.PushBack(items[0]);
  list.Remove(items[1]);
  EXPECT_EQ(list.front(), &items[0]);
  list.Remove(items[0]);
  list.Remove(items[0]);
  EXPECT_TRUE(list.empty());
}

TEST(LinkedListTest, AgreesWithAModelOverRandomSteps) {
  std::array<Item, 8> items;
  List list;
  std::list<const Item*> model;
  std::minstd_rand random(1);
  for (int i = 0; i < 10000; ++i) {
    Item& item = items[random() % items.size()];
    const bool there = std::ranges::find(model, &item) != model.end();
    if (random() % 2 == 0) {
      list.PushBack(item);
      if (!there) model.push_back(&item);
    } else {
      list.Remove(item);
      model.remove(&item);
    }
    ASSERT_EQ(list.front(), model.empty() ? nullptr : model.front());
  }
  EXPECT_EQ(Drain(list), std::vector<const Item*>(model.begin(), model.end()));
}

}  // namespace
}  // namespace ember::virtio::testing
