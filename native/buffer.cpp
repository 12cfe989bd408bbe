#include "buffer.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace gencsp {

namespace {
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
}  // namespace

Buffer::~Buffer() { std::free(data_); }

float* Buffer::floats(std::size_t count) {
    const std::size_t size = count * sizeof(float);
    if (size > capacity_) {
        std::free(data_);
        data_ = nullptr;
        capacity_ = 0;
        // Large blocks in huge pages where the system grants them: the kernels walk through many
        // arrays at once, more than the processor keeps ordinary pages of in mind.
        const bool huge = size >= kHugePage / 2;
        const std::size_t alignment = huge ? kHugePage : kAlignment;
        const std::size_t wanted = (size + size / 4 + alignment - 1) / alignment * alignment;
        data_ = std::aligned_alloc(alignment, wanted);
        if (!data_) throw std::bad_alloc();
        capacity_ = wanted;
#ifdef MADV_HUGEPAGE
        if (huge) madvise(data_, wanted, MADV_HUGEPAGE);  // advice only: a refusal does not matter
#endif
        // Spare rows behind the data pass through the kernels too; zeros keep them quick.
        std::memset(data_, 0, wanted);
    }
    return static_cast<float*>(data_);
}

}  // namespace gencsp
