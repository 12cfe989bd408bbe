#define GENCSP_ISA denoiser_avx2
#define GENCSP_NAME "avx2"
#define GENCSP_LANES 8
#include "kernels.inc"

namespace gencsp::denoiser {
const Kernels& kernels_avx2() { return denoiser_avx2::kTable; }
}  // namespace gencsp::denoiser
