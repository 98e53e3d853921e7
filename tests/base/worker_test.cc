#include "base/worker.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/thread.h"

namespace ember {
namespace {

TEST(WorkerTest, RunsEachTaskOnItsThreadAndReturnsAfterIt) {
  bool prepared = false;
  const auto worker = Worker::Start("worker", [&] { prepared = true; }).value();
  std::string name;
  worker->Run([&] { name = CurrentThreadName(); });
  EXPECT_EQ(name, "worker");
  EXPECT_TRUE(prepared);
}

TEST(WorkerTest, ATaskMayRunAnother) {
  const auto worker = Worker::Start("worker", [] {}).value();
  int order = 0;
  worker->Run([&] {
    worker->Run([&] { order = 1; });
    order = order * 10 + 2;
  });
  EXPECT_EQ(order, 12);
}

TEST(WorkerTest, TasksOfManyThreadsRunOneAtATime) {
  const auto worker = Worker::Start("worker", [] {}).value();
  int count = 0;  // the worker's
  {
    std::vector<Thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.push_back(Thread::Start("asks", [&] {
                          for (int round = 0; round < 500; ++round) worker->Run([&] { ++count; });
                        }).value());
    }
  }
  EXPECT_EQ(count, 2000);
}

TEST(WorkerTest, WhatIsPostedIsDoneAfterWhatWasAskedForBeforeAndBeforeTheEnd) {
  std::string order;
  {
    const auto worker = Worker::Start("worker", [] {}).value();
    worker->Run([&] {
      worker->Post([&] { order += "b"; });
      worker->Post([&] { order += "c"; });
      order += "a";
    });
    worker->Post([&] { order += "d"; });
  }
  EXPECT_EQ(order, "abcd");
}

TEST(WorkerTest, AThreadThatPostsDoesNotWait) {
  Mutex held;
  const auto worker = Worker::Start("worker", [] {}).value();
  held.Lock();
  worker->Post([&] { const MutexLock lock(held); });
  held.Unlock();
}

TEST(WorkerTest, WithoutOneTheCallerRunsIt) {
  const std::string here(CurrentThreadName());
  std::string name;
  RunOn(nullptr, [&] { name = CurrentThreadName(); });
  EXPECT_EQ(name, here);
}

}  // namespace
}  // namespace ember
