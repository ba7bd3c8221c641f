"""Problems for tests: hypothesis strategies, and one small problem by hand."""

from __future__ import annotations

from hypothesis import strategies as st

from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant


def small() -> Problem:
    """Two variants, three clients, two GPUs; everyone can be served, two of them well."""
    return Problem(
        gpus=2,
        variants=(
            ProblemVariant("small", 0.5, (5.0, 6.0, 7.0, 8.0)),
            ProblemVariant("large", 0.7, (20.0, 30.0, 40.0, 50.0)),
        ),
        clients=(
            ProblemClient("near", 25.0, (90.0, 80.0)),
            ProblemClient("middle", 15.0, (70.0, 60.0)),
            ProblemClient("far", 10.0, (20.0, 0.0)),
        ),
    )


def corners() -> dict[str, Problem]:
    """Well-formed problems at the edges of what there may be, each for two GPUs."""
    variants = small().variants
    same = tuple(ProblemVariant(f"v{n}", n / 10, (10.0, 10.0, 10.0)) for n in range(3))
    falling = (ProblemVariant("v", 0.5, (4.0, 40.0, 41.0, 300.0, 45.0)), *variants)
    crowd = tuple(
        ProblemClient(str(n), (10.0, 15.0, 25.0)[n % 3], (float(n), 2.5 * n - 40.0))
        for n in range(60)
    )
    return {
        "nobody": Problem(2, variants, ()),
        "nobody and nothing": Problem(2, (), ()),
        "no variant": Problem(2, (), (ProblemClient("c", 10.0, ()),)),
        "no GPU": Problem(0, variants, crowd),
        "one client": Problem(2, variants, (ProblemClient("c", 10.0, (40.0, 60.0)),)),
        "many clients": Problem(2, variants, crowd),
        "no budgets": Problem(
            2, variants, tuple(ProblemClient(str(n), 10.0, (0.0, 0.0)) for n in range(9))
        ),
        "equal latencies": Problem(
            2, same, tuple(ProblemClient(str(n), 15.0, (20.0, 30.0, 40.0)) for n in range(30))
        ),
        "throughput that falls and rises": Problem(
            2,
            falling,
            tuple(ProblemClient(str(n), 25.0, (10.0 * n, 80.0, 9.0 * n)) for n in range(20)),
        ),
    }


@st.composite
def problems(
    draw: st.DrawFn, max_clients: int = 12, max_variants: int = 4, max_gpus: int = 4
) -> Problem:
    """Any well-formed problem of a few GPUs: latencies in any order, budgets down to below zero,
    numbers that meet exactly often."""
    count = draw(st.integers(0, max_variants))
    latencies = st.lists(
        st.one_of(
            st.sampled_from([5.0, 10.0, 20.0, 40.0]), st.integers(1, 60_000).map(_thousandth)
        ),
        min_size=1,
        max_size=4,
    )
    accuracies = st.integers(0, 100).map(lambda percent: percent / 100)
    budgets = st.one_of(
        st.sampled_from([0.0, 10.0, 20.0, 40.0, 80.0]), st.integers(-5000, 200_000).map(_thousandth)
    )
    rates = st.one_of(
        st.sampled_from([10.0, 15.0, 25.0, 50.0]), st.integers(1, 60_000).map(_thousandth)
    )
    variants = tuple(
        ProblemVariant(f"v{index}", draw(accuracies), tuple(draw(latencies)))
        for index in range(count)
    )

    def row(values: st.SearchStrategy[float]) -> tuple[float, ...]:
        return tuple(draw(st.lists(values, min_size=count, max_size=count)))

    clients = tuple(
        ProblemClient(f"c{index}", draw(rates), row(budgets), row(accuracies) if own else None)
        for index, own in enumerate(draw(st.lists(st.booleans(), max_size=max_clients)))
    )
    gpus = draw(st.integers(0, max_gpus))
    names = st.sampled_from([*(v.name for v in variants), "gone"])
    residents = st.lists(names, max_size=2).map(tuple)
    current = draw(st.none() | st.lists(residents, min_size=gpus, max_size=gpus).map(tuple))
    return Problem(gpus, variants, clients, current, draw(st.integers(0, 3)))


def _thousandth(value: int) -> float:
    return value / 1000
