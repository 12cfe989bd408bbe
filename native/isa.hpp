// The choice among kernels that were compiled once per instruction set.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace gencsp {

#ifdef GENCSP_X86
inline bool has_avx2() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

inline bool has_avx512() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
#endif

// The kernels called `isa` of those that run here, best first; the best for an empty name.
template <typename Kernels>
const Kernels* choose_kernels(const std::vector<const Kernels*>& available,
                              const std::string& isa) {
    for (const Kernels* k : available)
        if (isa.empty() || isa == k->name) return k;
    throw std::invalid_argument("instruction set '" + isa + "' is not available here");
}

template <typename Kernels>
std::vector<std::string> names_of(const std::vector<const Kernels*>& available) {
    std::vector<std::string> names;
    for (const Kernels* k : available) names.emplace_back(k->name);
    return names;
}

}  // namespace gencsp
