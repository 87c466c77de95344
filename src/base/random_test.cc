#include "base/random.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <set>
#include <vector>

namespace nexus {
namespace {

TEST(RandomNumber, NoneComesTwice) {
  std::set<uint64_t> numbers;
  for (int i = 0; i < 1000; ++i) numbers.insert(randomNumber().value());
  EXPECT_EQ(numbers.size(), 1000u);
}

// They are fetched many at a time, and a fork has a copy of those that are left.
TEST(RandomNumber, AForkDrawsOthersThanItsParent) {
  (void)randomNumber();
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const uint64_t number = randomNumber().value_or(0);
    const bool told = write(pipe[1], &number, sizeof number) == sizeof number;
    _exit(told ? 0 : 1);
  }
  uint64_t theirs = 0;
  ASSERT_EQ(read(pipe[0], &theirs, sizeof theirs), static_cast<ssize_t>(sizeof theirs));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  close(pipe[0]);
  close(pipe[1]);
  EXPECT_EQ(status, 0);
  EXPECT_NE(randomNumber(), theirs);
}

TEST(FillRandomly, FillsAllOfIt) {
  for (const size_t size : {0u, 1u, 255u, 256u, 257u, 1000u}) {
    // Each byte is another than zero once in a while.
    std::vector<bool> wasSet(size);
    for (int i = 0; i < 64; ++i) {
      std::vector<std::byte> bytes(size);
      ASSERT_TRUE(fillRandomly(bytes));
      for (size_t at = 0; at < size; ++at) wasSet[at] = wasSet[at] || bytes[at] != std::byte{0};
    }
    EXPECT_EQ(wasSet, std::vector<bool>(size, true)) << size;
  }
}

}  // namespace
}  // namespace nexus
