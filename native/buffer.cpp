#include "buffer.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

namespace gencsp {

namespace {
constexpr std::size_t kAlignment = 64;
}

Buffer::~Buffer() { std::free(data_); }

float* Buffer::floats(std::size_t count) {
    const std::size_t size = count * sizeof(float);
    if (size > capacity_) {
        std::free(data_);
        data_ = nullptr;
        capacity_ = 0;
        const std::size_t wanted = (size + size / 4 + kAlignment - 1) / kAlignment * kAlignment;
        data_ = std::aligned_alloc(kAlignment, wanted);
        if (!data_) throw std::bad_alloc();
        capacity_ = wanted;
        // Spare rows behind the data pass through the kernels too; zeros keep them quick.
        std::memset(data_, 0, wanted);
    }
    return static_cast<float*>(data_);
}

}  // namespace gencsp
