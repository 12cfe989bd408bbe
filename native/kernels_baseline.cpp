#define GENCSP_ISA baseline
#define GENCSP_LANES 4
#define GENCSP_PANEL_VECTORS 2
#include "kernels.inc"

namespace gencsp {
const Kernels& kernels_baseline() { return baseline::kTable; }
}  // namespace gencsp
