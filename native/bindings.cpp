// The Python face: plain arrays in, plain arrays out. gencsp/potentials/chgnet/native.py makes it pleasant.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <new>

#include "pool.hpp"
#include "python_arrays.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace gencsp {
namespace {

std::vector<double> as_vector(const Matrix3& m) { return {m.begin(), m.end()}; }

// A model together with the memory that its evaluations share.
struct BoundModel {
    Model model;
    ScratchStore<Scratch> store;

    BoundModel(std::map<std::string, Array> arrays, const ModelSettings& settings,
               const std::string& isa)
        : model(std::move(arrays), settings, isa) {}
};

// Structures one behind the other: atoms first[b] .. first[b + 1] belong to structure b.
nb::tuple evaluate(BoundModel& self, Input<int, 1> numbers, Input<double, 2> positions,
                   Input<double, 3> cells, Input<bool, 2> periodic, Input<int, 1> first,
                   bool forces, bool magmoms, bool merge, int workers) {
    const std::size_t atoms = numbers.shape(0), count = cells.shape(0);
    require(positions.shape(0) == atoms && positions.shape(1) == 3, "positions: (atoms, 3)");
    require(cells.shape(1) == 3 && cells.shape(2) == 3, "cells: (structures, 3, 3)");
    require(periodic.shape(0) == count && periodic.shape(1) == 3, "periodic: (structures, 3)");
    require(first.shape(0) == count + 1, "first: (structures + 1,)");
    for (std::size_t b = 0; b < count; ++b)
        require(first.data()[b] >= 0 && first.data()[b] <= first.data()[b + 1], "first: ascending");
    require(count == 0 || first.data()[count] <= static_cast<long>(atoms), "first: beyond atoms");

    const double none = std::numeric_limits<double>::quiet_NaN();
    std::vector<double> energy(count, none), site(atoms, none), force(3 * atoms, none);
    std::vector<double> virial(9 * count, none), magmom(magmoms ? atoms : 0, none);
    std::vector<double> closest(count, none);
    std::vector<double> status(count, static_cast<double>(Status::kBadInput));
    int most_atoms = 0;
    for (std::size_t b = 0; b < count; ++b)
        most_atoms = std::max(most_atoms, first.data()[b + 1] - first.data()[b]);
    {
        nb::gil_scoped_release release;
        const auto one = [&](int b, Scratch& scratch) {
            const int begin = first.data()[b];
            Crystal crystal;
            crystal.n_atoms = first.data()[b + 1] - begin;
            crystal.numbers = numbers.data() + begin;
            crystal.positions = positions.data() + 3 * static_cast<std::size_t>(begin);
            crystal.cell = cells.data() + 9 * static_cast<std::size_t>(b);
            std::copy_n(periodic.data() + 3 * static_cast<std::size_t>(b), 3, crystal.periodic);
            Evaluated result;
            try {
                self.model.evaluate(crystal, Request{forces, magmoms, merge}, scratch, result);
            } catch (const std::bad_alloc&) {
                return;
            }
            status[b] = static_cast<double>(result.status);
            if (result.status != Status::kOk) return;
            energy[b] = result.energy;
            closest[b] = result.closest;
            std::copy(result.site_energies.begin(), result.site_energies.end(), &site[begin]);
            std::copy(result.magmoms.begin(), result.magmoms.end(),
                      magmom.begin() + (magmoms ? begin : 0));
            if (!forces) return;
            std::copy(result.forces.begin(), result.forces.end(), &force[3 * begin]);
            std::copy(result.virial.begin(), result.virial.end(), &virial[9 * b]);
        };
        for_each(static_cast<int>(count), workers, most_atoms, self.store, one);
    }
    return nb::make_tuple(
        to_numpy(std::move(status), {count}), to_numpy(std::move(energy), {count}),
        to_numpy(std::move(site), {atoms}), to_numpy(std::move(force), {atoms, 3}),
        to_numpy(std::move(virial), {count, 3, 3}),
        to_numpy(std::move(magmom), {magmoms ? atoms : 0}), to_numpy(std::move(closest), {count}));
}

// A Python function that worker threads call, one at a time; what it raises is kept for the caller.
class Listener {
public:
    explicit Listener(nb::object function) : function_(std::move(function)) {}

    // Whether to go on: nothing was raised, now or before, and the answer is None or true.
    bool call(long index, int step, double energy, double fmax) {
        nb::gil_scoped_acquire acquire;
        if (error_) return false;
        try {
            const nb::object answer = function_(index, step, energy, fmax);
            if (answer.is_none()) return true;
            const int truth = PyObject_IsTrue(answer.ptr());
            if (truth < 0) nb::raise_python_error();
            return truth != 0;
        } catch (nb::python_error& error) {
            error_ = std::make_unique<nb::python_error>(std::move(error));
            return false;
        }
    }

    // Raise what the function raised; the caller holds the GIL.
    void raise() {
        if (!error_) return;
        nb::python_error error(std::move(*error_));
        error_.reset();
        throw error;
    }

private:
    nb::object function_;
    std::unique_ptr<nb::python_error> error_;
};

class BoundPool {
public:
    BoundPool(std::shared_ptr<BoundModel> model, RelaxOptions options, double pressure,
              bool fixed_cell, nb::object on_step, int workers, int members)
        : pressure_(pressure), fixed_cell_(fixed_cell) {
        if (!on_step.is_none()) {
            listener_ = std::make_unique<Listener>(std::move(on_step));
            options.on_step = [listener = listener_.get()](long index, int step, double energy,
                                                           double fmax) {
                return listener->call(index, step, energy, fmax);
            };
        }
        pool_ = std::make_unique<RelaxPool>(std::shared_ptr<const Model>(model, &model->model),
                                            options, workers, members);
    }
    BoundPool(const BoundPool&) = delete;
    BoundPool& operator=(const BoundPool&) = delete;
    // Threads that end may be waiting for the GIL to call the listener.
    ~BoundPool() {
        nb::gil_scoped_release release;
        pool_.reset();
    }

    void submit(long index, Input<int, 1> numbers, Input<double, 2> positions,
                Input<double, 2> cell, std::vector<bool> periodic, Input<bool, 1> fixed,
                Input<double, 3> rotations, Input<int, 2> images) {
        const std::size_t n = numbers.shape(0);
        require(n > 0 && positions.shape(0) == n && positions.shape(1) == 3,
                "positions: (atoms, 3)");
        require(cell.shape(0) == 3 && cell.shape(1) == 3, "cell: (3, 3)");
        require(periodic.size() == 3, "periodic: (3,)");
        require(fixed.shape(0) == 0 || fixed.shape(0) == n, "fixed: (atoms,) or empty");
        require(rotations.shape(0) == images.shape(0), "as many rotations as images");
        require(rotations.shape(0) == 0 ||
                    (images.shape(1) == n && rotations.shape(1) == 3 && rotations.shape(2) == 3),
                "rotations: (operations, 3, 3), images: (operations, atoms)");
        Task task;
        task.index = index;
        task.numbers.assign(numbers.data(), numbers.data() + n);
        task.positions.assign(positions.data(), positions.data() + 3 * n);
        std::copy_n(cell.data(), 9, task.cell.begin());
        std::copy(periodic.begin(), periodic.end(), task.periodic);
        task.fixed.assign(fixed.data(), fixed.data() + fixed.shape(0));
        for (std::size_t o = 0; o < rotations.shape(0); ++o) {
            SymmetryOperation op;
            std::copy_n(rotations.data() + 9 * o, 9, op.rotation.begin());
            op.image.assign(images.data() + n * o, images.data() + n * (o + 1));
            for (int i : op.image)
                require(i >= 0 && i < static_cast<int>(n), "images: atom indices");
            task.symmetry.push_back(std::move(op));
        }
        // Where symmetry is kept anyway, nothing is lost by computing equivalent atoms once.
        task.merge = !task.symmetry.empty();
        task.pressure = pressure_;
        task.fixed_cell = fixed_cell_;
        pool_->submit(index, std::move(task));
    }

    // None where no result came within `seconds`. Raises what the listener raised.
    nb::object take(double seconds) {
        long index;
        RelaxResult r;
        bool found;
        {
            nb::gil_scoped_release release;
            found = pool_->take(seconds, index, r);
        }
        if (listener_) listener_->raise();
        if (!found) return nb::none();
        nb::list path;
        for (Frame& f : r.path) {
            const std::size_t n = f.positions.size() / 3;
            path.append(nb::make_tuple(f.energy, f.fmax, to_numpy(std::move(f.positions), {n, 3}),
                                       to_numpy(as_vector(f.cell), {3, 3}),
                                       to_numpy(std::move(f.forces), {n, 3}),
                                       to_numpy(as_vector(f.virial), {3, 3})));
        }
        nb::dict out;
        const std::size_t n = r.positions.size() / 3;
        out["outcome"] = static_cast<int>(r.outcome);
        out["energy"] = r.energy;
        out["enthalpy"] = r.enthalpy;
        out["fmax"] = r.fmax;
        out["steps"] = r.steps;
        out["calls"] = r.calls;
        out["positions"] = to_numpy(std::move(r.positions), {n, 3});
        out["cell"] = to_numpy(as_vector(r.cell), {3, 3});
        out["forces"] = to_numpy(std::move(r.forces), {n, 3});
        out["virial"] = to_numpy(as_vector(r.virial), {3, 3});
        out["path"] = path;
        return nb::make_tuple(index, out);
    }

private:
    double pressure_;
    bool fixed_cell_;
    std::unique_ptr<Listener> listener_;
    std::unique_ptr<RelaxPool> pool_;
};

}  // namespace
}  // namespace gencsp

NB_MODULE(_native, m) {
    // Engines stay loaded until the process ends, which is no fault to report to a user.
    nb::set_leak_warnings(false);
    using namespace gencsp;
    m.doc() = "CHGNet energies, forces, stresses and relaxations on the processor.";
    m.def("available_isas", &available_isas, "Instruction sets that run here, best first.");

    nb::class_<BoundModel>(m, "Model")
        .def(
            "__init__",
            [](BoundModel* self, const nb::dict& weights, double atom_cutoff, double bond_cutoff,
               int envelope_power, const std::string& isa) {
                new (self) BoundModel(read_arrays(weights),
                                      ModelSettings{atom_cutoff, bond_cutoff, envelope_power}, isa);
            },
            "weights"_a, nb::kw_only(), "atom_cutoff"_a, "bond_cutoff"_a, "envelope_power"_a,
            "isa"_a = "")
        .def_prop_ro("isa", [](const BoundModel& self) { return self.model.isa(); })
        .def("evaluate", &evaluate, "numbers"_a, "positions"_a, "cells"_a, "periodic"_a, "first"_a,
             nb::kw_only(), "forces"_a = true, "magmoms"_a = false, "merge"_a = false,
             "workers"_a = 1);

    nb::class_<BoundPool>(m, "RelaxPool")
        .def(
            "__init__",
            [](BoundPool* self, std::shared_ptr<BoundModel> model, bool quasi_newton, double fmax,
               int steps, double time_limit, double ceiling, int patience, double least_volume,
               double most_volume, double least_vector, double least_distance, double pressure,
               bool fixed_cell, bool record_path, double atom_stiffness, double cell_stiffness,
               double first_radius, double least_radius, double most_radius, double uphill,
               int most_atoms, nb::object on_step, int workers, int members) {
                RelaxOptions options;
                options.minimiser = quasi_newton ? Minimiser::kQuasiNewton : Minimiser::kFire;
                options.fmax = fmax;
                options.steps = steps;
                options.time_limit = time_limit;
                options.has_ceiling = ceiling < std::numeric_limits<double>::infinity();
                options.ceiling = ceiling;
                options.patience = patience;
                options.least_volume = least_volume;
                options.most_volume = most_volume;
                options.least_vector = least_vector;
                options.least_distance = least_distance;
                options.record_path = record_path;
                options.trust_region = {atom_stiffness, cell_stiffness, first_radius, least_radius,
                                        most_radius,    uphill,         most_atoms};
                new (self) BoundPool(std::move(model), std::move(options), pressure, fixed_cell,
                                     std::move(on_step), workers, members);
            },
            "model"_a, nb::kw_only(), "quasi_newton"_a, "fmax"_a, "steps"_a, "time_limit"_a,
            "ceiling"_a, "patience"_a, "least_volume"_a, "most_volume"_a, "least_vector"_a,
            "least_distance"_a, "pressure"_a, "fixed_cell"_a, "record_path"_a, "atom_stiffness"_a,
            "cell_stiffness"_a, "first_radius"_a, "least_radius"_a, "most_radius"_a, "uphill"_a,
            "most_atoms"_a, "on_step"_a.none(), "workers"_a, "members"_a)
        .def("submit", &BoundPool::submit, "index"_a, "numbers"_a, "positions"_a, "cell"_a,
             "periodic"_a, "fixed"_a, "rotations"_a, "images"_a)
        .def("take", &BoundPool::take, "seconds"_a);
}
