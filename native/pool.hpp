// Many crystals over threads. Each is worked on by one thread from start to end, or by the same few
// where there are more threads than crystals and it is large; results do not depend on how many
// there are.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "relax.hpp"
#include "scratch_store.hpp"

namespace gencsp {

// Least atoms of a crystal that is worth several threads.
constexpr int kLeastShared = 48;

// Call work(i, scratch) for every i < count on `workers` threads; where there are more of them than
// crystals, and the largest has so many atoms, its `Scratch` has a crew.
void for_each(int count, int workers, int most_atoms, ScratchStore<Scratch>& store,
              const std::function<void(int, Scratch&)>& work);

// A stream of relaxations: submit tasks at any time, take results as they come.
class RelaxPool {
public:
    // `members`: threads that work on a large crystal together, of which `workers` are under way.
    RelaxPool(std::shared_ptr<const Model> model, const RelaxOptions& options, int workers,
              int members);
    RelaxPool(const RelaxPool&) = delete;
    RelaxPool& operator=(const RelaxPool&) = delete;
    ~RelaxPool();  // cancels what is under way

    void submit(long index, Task task);
    // Wait up to `seconds` for a result; false when none came.
    bool take(double seconds, long& index, RelaxResult& result);

private:
    void work();

    std::shared_ptr<const Model> model_;
    RelaxOptions options_;
    int members_;
    std::atomic<bool> cancelled_{false};
    std::mutex mutex_;
    std::condition_variable queued_, finished_;
    std::deque<std::pair<long, Task>> tasks_;
    std::deque<std::pair<long, RelaxResult>> results_;
    std::vector<std::thread> threads_;
};

}  // namespace gencsp
