// Relaxation of one crystal: when it ends, and the two minimisers.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <vector>

#include "frechet.hpp"

namespace gencsp {

enum class Outcome {
    kConverged,
    kStepLimit,
    kTimeLimit,
    kHopeless,
    kExploded,
    kIsolated,
    kNotFinite,
    kBadInput,
    kStopped,
    kTooClose,
    kCancelled,
};

enum class Minimiser { kFire, kQuasiNewton };

// What the quasi-Newton starts from and may do; values and reasons are in gencsp/minimise/settings.py.
struct TrustRegionOptions {
    double atom_stiffness = 0.0;                                       // eV/Å^2
    double cell_stiffness = 0.0;                                       // eV/Å^3
    double first_radius = 0.0, least_radius = 0.0, most_radius = 0.0;  // Å
    double uphill = 0.0;  // eV per sqrt(atom) that a step may climb
    int most_atoms = 0;   // beyond, FIRE: the dense model costs more than the calls it saves
};

// Told of every point on the way: structure, step, energy (eV), fmax (eV/Å). False ends it.
using OnStep = std::function<bool(long, int, double, double)>;

struct RelaxOptions {
    Minimiser minimiser = Minimiser::kFire;
    TrustRegionOptions trust_region;
    double fmax = 0.1;  // eV/Å
    int steps = 200;
    double time_limit = 0.0;  // seconds; 0 for none
    bool has_ceiling = false;
    double ceiling = 0.0;         // eV/atom
    int patience = 20;            // steps that must bring it half way down to the ceiling
    double least_volume = 0.0;    // Å^3/atom: below, the cell has collapsed
    double most_volume = 1e9;     // Å^3/atom: above, it has exploded
    double least_vector = 0.0;    // Å: shortest lattice vector
    double least_distance = 0.0;  // Å: with closer nuclei it is a hole of the potential
    bool record_path = false;
    OnStep on_step;  // empty for none
};

// A structure on the way.
struct Frame {
    double energy, fmax;
    std::vector<double> positions, forces;
    Matrix3 cell, virial;
};

struct RelaxResult {
    Outcome outcome = Outcome::kBadInput;
    double energy, enthalpy, fmax;
    int steps = 0, calls = 0;
    std::vector<double> positions, forces;
    Matrix3 cell{}, virial{};
    std::vector<Frame> path;
};

// The state of a relaxation that minimisers share: where it is, and whether it is over.
class Relaxation {
public:
    Relaxation(FrechetProblem& problem, const RelaxOptions& options, long index,
               const std::atomic<bool>& cancelled, RelaxResult& result);

    // Evaluate at `x` into `energy` (the enthalpy) and `force`; true if there are numbers.
    bool evaluate(const std::vector<double>& x, double& energy, std::vector<double>& force);
    // Move to the point of the last evaluation; true when that ends the relaxation.
    bool accept(double energy, const std::vector<double>& force);
    // Count a step; true when no more are allowed.
    bool count_step();
    // End with the verdict on an evaluation that gave no numbers.
    void fail();
    void end(Outcome outcome) { result_.outcome = outcome; }

private:
    bool exploded() const;
    bool hopeless(double energy);
    void end_with_result(Outcome outcome);

    FrechetProblem& problem_;
    const RelaxOptions& options_;
    const long index_;
    const std::atomic<bool>& cancelled_;
    RelaxResult& result_;
    std::chrono::steady_clock::time_point started_;
    Status last_status_ = Status::kOk;
    double closest_ = 0.0;         // shortest distance between nuclei at the accepted point, Å
    std::vector<double> history_;  // enthalpies, eV/atom, step by step
};

// Length of the longest row of three: ASE's convergence measure.
double longest_row(const std::vector<double>& rows);

void fire(FrechetProblem& problem, Relaxation& relaxation);
void quasi_newton(FrechetProblem& problem, const TrustRegionOptions& options,
                  Relaxation& relaxation);

RelaxResult relax(const Model& model, const Task& task, const RelaxOptions& options,
                  const std::atomic<bool>& cancelled, Scratch& scratch);

}  // namespace gencsp
