// Threads that do the parts of one crystal together.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "kernels.hpp"

namespace gencsp {

// Jobs are short (tens of microseconds) and follow one another closely, so threads that wait watch
// for the next one instead of sleeping, and only yield to others that want the processor.
class Team {
public:
    // `threads`: with the one that calls; at least one.
    explicit Team(int threads);
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;
    ~Team();

    // Who works on a crystal: this team, or nobody else where it has one thread.
    Crew crew();

private:
    static void run(void* team, int parts, void (*job)(void*, int), void* context);
    void work(int member);
    void share(int member) const;

    std::vector<std::thread> others_;
    void (*job_)(void*, int) = nullptr;
    void* context_ = nullptr;
    int parts_ = 0;
    bool ended_ = false;
    std::atomic<unsigned> begun_{0};  // jobs so far
    std::atomic<int> at_work_{0};     // of the others
};

}  // namespace gencsp
