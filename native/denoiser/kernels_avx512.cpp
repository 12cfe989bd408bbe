#define GENCSP_ISA denoiser_avx512
#define GENCSP_NAME "avx512"
#define GENCSP_LANES 16
#include "kernels.inc"

namespace gencsp::denoiser {
const Kernels& kernels_avx512() { return denoiser_avx512::kTable; }
}  // namespace gencsp::denoiser
