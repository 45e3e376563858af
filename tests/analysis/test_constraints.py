"""Constraints against neurons listed one by one, and their fixes against the checker itself."""

import re
from collections import Counter
from itertools import chain, combinations, pairwise, product
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wirings import cells_of, connections, count_hidden, listed_pairs, of_output, wired_circuits

from oneway.analysis import (
    ALL,
    PAPERS,
    Graph,
    check,
    dales_law,
    fan_in,
    no_autapse,
    no_multapse,
    no_reciprocal_pairs,
    no_sign_transport,
    no_weight_transport,
    one_to_one,
    parse_constraints,
    return_path_at_least,
    return_paths,
    skip_only,
)
from oneway.analysis.constraints import KNOWN
from oneway.analysis.constraints.algebra import diagonal, in_degrees
from oneway.analysis.constraints.language import EXAMPLES
from oneway.analysis.constraints.walks import shortest_return
from oneway.analysis.paths import DEFAULT_ROLES
from oneway.circuits import (
    ACTIVITY,
    ROLES,
    AllToAllConnector,
    AveragePoolConnector,
    Circuit,
    Conv2dConnector,
    FromListConnector,
    MatchConnector,
    OneToOneConnector,
    Weights,
    Wiring,
    WiringError,
    parse_circuit,
    taught_by,
)
from oneway.rules import RULES, parse_rule

NETS = ("mlp:6-4-4-3", "alexnet:1x8x8-3,width=2,hidden=4", "resnet18:1x8x8-3,width=1")
VARIANTS = (
    *RULES,
    "kp,gate=local",
    "bp,norm=own",
    "kp,init=aligned",
    "fa,last_layer=bp",
    "wm,layers=all",
    "wm,layers=alternate",
    "dkp,gate=local,norm=own",
    "asap,entrance=learned",
    "asap,gate=shared",
    "asap,signals=synapse",
    "asap,gate=local,norm=own",
)
EVERY = parse_constraints(
    "papers,all,papers@population,all@population,papers@path,all@path,no-weight-transport,"
    "no-sign-transport,one-to-one,dale,no-autapse,no-multapse,fan-in<=5,skip-only,skip-only@all,"
    "return-path>=4,return-path@all>=6"
)


def wired(net, rule):
    return parse_rule(rule).wire(parse_circuit(net))


def alike(a, b):
    """The same circuit, whatever the order in which it was wired."""
    parts = ("populations", "projections", "phases")
    return all(dict(getattr(a, part)) == dict(getattr(b, part)) for part in parts)


def number(text):
    """Population and index of a cell as reports name it."""
    name, _, index = text.rstrip("]").partition("[")
    return name, int(index)


# -- fixes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "rule"), [*product(NETS[:1], VARIANTS), *product(NETS[1:2], VARIANTS[::2])]
)
def test_every_fix_applied_gives_a_circuit_that_passes(net, rule):
    circuit = wired(net, rule)
    for finding in check(circuit, EVERY).findings:
        several = finding.violations if net.startswith("mlp") else finding.violations[-1:]
        for violation in several:
            assert (violation.fix is None) == bool(violation.no_fix)
            if violation.fix is not None:
                fixed = violation.fix.apply(circuit)
                fixed.reading.check(tuple(fixed.phases))
                (again,) = check(fixed, finding.constraint).findings
                assert violation.where not in [v.where for v in again.violations]
        if finding.fix is not None:
            assert check(finding.fix.apply(circuit), finding.constraint).ok
        # What rules wire can always be mended, by one of their options or by another rule.
        unmended = ["dale", "no-multapse", "return-path@all>=6"]
        # Kernels have more than that, and so have signals for each synapse.
        dense = net.startswith("mlp") and "synapse" not in rule
        unmended += [] if dense else ["fan-in<=5"]
        assert finding.ok or finding.fix or finding.constraint.name in unmended


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(
    ("rule", "constraint", "fixed"),
    [
        ("kp", "papers", "fa"),
        ("dkp", "papers", "dfa"),
        ("wm", "papers", "fa"),
        ("asap,entrance=learned", "papers@path", "asap"),
        ("bp", "no-weight-transport", "fa"),
        ("kp,init=aligned", "no-weight-transport", "kp"),
        ("ss", "no-sign-transport", "fa"),
        ("bp", "all", "bp,gate=local,norm=own"),
        ("kp", "all@population", "fa,gate=local,norm=own"),
        ("dfa", "skip-only@all", "dfa,gate=local,norm=own"),
    ],
)
def test_fixes_are_what_the_rules_wire(net, rule, constraint, fixed):
    """Also through max-pools and batch norms, whose feedback changes with the gate and norm."""
    circuit, expected = wired(net, rule), wired(net, fixed)
    report = check(circuit, parse_constraints(constraint))
    assert not report.ok
    made = report.fix.apply(circuit)
    if constraint == "papers@path":  # then nobody tells the feedback path anything
        expected = wired(net, "asap")
        assert not check(expected, no_reciprocal_pairs(PAPERS, "path")).ok
        assert {p.name for p in made.select(role="teach")} < {
            p.name for p in expected.select(role="teach")
        }
    elif rule == "wm":
        # Mimicry at the output's comparator stands apart, and so does what it takes.
        made = Circuit(
            made.name,
            made.populations.values(),
            [p for p in made.projections.values() if p.role != "mimic"],
            [p for p in made.phases.values() if not p.noisy],
        )
        assert set(made.projections) == set(expected.projections)
    else:
        assert alike(made, expected)


@settings(max_examples=40, deadline=None)
@given(wired_circuits(), st.sampled_from([PAPERS, ALL, ("teach",), ("drive", "gate")]))
def test_fixes_of_circuits_wired_at_random(circuit, roles):
    constraints = (
        no_reciprocal_pairs(roles),
        no_reciprocal_pairs(roles, "population"),
        no_autapse(roles),
        no_multapse(roles),
        skip_only(roles),
    )
    for finding in check(circuit, constraints).findings:
        if finding.fix is not None:
            assert check(finding.fix.apply(circuit), finding.constraint).ok


def test_the_comparator_cannot_be_mended_and_the_report_says_so():
    circuit = wired("mlp:6-4-3", "fa,gate=local")
    asked = no_reciprocal_pairs((*PAPERS, "compare"), output=True)
    (violation,) = check(circuit, asked).violations
    assert violation.where == ("output", "delta_output")
    assert (violation.count, violation.fix) == (3, None)
    assert "no fix: either direction" in str(check(circuit, asked))


def test_a_report_for_json_says_what_was_found():
    circuit = wired("mlp:6-4-3", "kp,init=aligned")
    report = check(circuit, no_reciprocal_pairs() & one_to_one() & no_weight_transport())
    papers, pairing, transport = report.as_list()
    assert [finding["ok"] for finding in (papers, pairing, transport)] == [False, True, False]
    assert pairing == {
        "name": "one-to-one",
        "says": report.findings[1].constraint.meaning,
        "ok": True,
        "violations": [],
        "fix": None,
        "aside": None,
    }
    (pair,), (copy,) = papers["violations"], transport["violations"]
    assert (pair["where"], pair["count"], pair["what"]) == (["h1", "delta_h1"], 4, "pairs of cells")
    assert pair["examples"] == [[f"h1[{i}]", f"delta_h1[{i}]"] for i in range(EXAMPLES)]
    assert "3 at" in papers["aside"] and "(drive, teach" not in papers["says"]
    assert copy == {
        "where": ["delta_output", "delta_h1"],
        "count": 12,
        "what": "weights",
        "why": "'delta_output -> delta_h1' starts as a copy of 'h1 -> output'",
        "examples": [],
        "fix": "give 'delta_output -> delta_h1' a draw of its own (leave init= out)",
        "no_fix": None,
    }
    assert transport["fix"] == copy["fix"]


# -- counts against listing ------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(wired_circuits(), st.sampled_from([PAPERS, ALL, ("teach", "mimic")]), st.integers(0, 5))
def test_counts_and_examples_equal_listing(circuit, roles, most):
    joined = connections(circuit, roles).toarray()
    cells = cells_of(circuit)
    position = {cell: i for i, cell in enumerate(cells)}
    reciprocal, autapses, many = check(
        circuit, [no_reciprocal_pairs(roles), no_autapse(roles), fan_in(most, roles)]
    ).findings
    assert sum(v.count for v in reciprocal.violations) == count_hidden(circuit, roles)
    for pair in chain.from_iterable(v.examples for v in reciprocal.violations):
        i, j = (position[number(cell)] for cell in pair)
        assert i != j
        assert joined[i, j]
        assert joined[j, i]
    assert sum(v.count for v in autapses.violations) == np.trace(joined)
    heard = joined.sum(axis=0) - np.diag(joined)
    assert sum(v.count for v in many.violations) == (heard > most).sum()
    for (cell,) in chain.from_iterable(v.examples for v in many.violations):
        assert heard[position[number(cell)]] > most


OVERLAPPING = (
    OneToOneConnector(),
    AveragePoolConnector(3, 1, 1),
    Conv2dConnector(2, 3, padding=1, groups=2),
    FromListConnector([(0, 3), (0, 4), (5, 5), (5, 5), (17, 2)]),
    AllToAllConnector(),
)


@pytest.mark.parametrize("chosen", [c for n in (1, 2, 3) for c in combinations(OVERLAPPING, n)])
def test_degrees_of_overlapping_relations_equal_listing(chosen):
    shape = (2, 3, 3)
    relations = [connector.relation(shape, shape) for connector in chosen]
    pairs = {tuple(pair) for relation in relations for pair in relation.listed().tolist()}
    expected = np.bincount([j for _, j in pairs], minlength=18)
    np.testing.assert_array_equal(in_degrees(relations), expected)
    own = np.isin(np.arange(18), [i for i, j in pairs if i == j])
    np.testing.assert_array_equal(np.any([diagonal(r) for r in relations], axis=0), own)


@pytest.mark.parametrize("rule", ["bp", "kp", "dfa", "ss", "asap,k=2"])
def test_thinned_circuits_have_feedback_against_the_same_synapses(rule):
    """δ_h1 hears from 30 cells through the synapses of 30 cells with 20 sources each."""
    circuit = wired("mlp:4-20-30-3", rule)
    report = check(circuit, fan_in(8))
    assert {"h2", "delta_h1", "output"} & {v.where[0] for v in report.violations}
    assert all(re.search(r"hears from up to \d+ cells \(\d+ of", v.why) for v in report.violations)
    fixed = report.fix.apply(circuit)
    assert check(fixed, fan_in(8)).ok
    for p in fixed.select(role="drive"):
        if p.partner is not None:
            there = fixed.projections[p.partner]
            ends = fixed.shapes(p), fixed.shapes(there)
            w = there.connector.relation(*ends[1]).listed()
            assert len(w) < np.prod(ends[1])
            np.testing.assert_array_equal(
                p.connector.transpose.relation(*ends[0][::-1]).listed(), w
            )


@settings(max_examples=40, deadline=None)
@given(wired_circuits())
def test_multapses_equal_listing(circuit):
    listed = Counter()
    for p in circuit.projections.values():
        given_pairs = getattr(p.connector, "conn_list", None)
        pairs = given_pairs or p.connector.relation(*circuit.shapes(p)).listed()
        listed.update((p.role, p.pre, p.post, int(row[0]), int(row[1])) for row in pairs)
    again = {key: n - 1 for key, n in listed.items() if n > 1 and key[0] in ALL}
    violations = check(circuit, no_multapse()).violations
    assert sum(v.count for v in violations) == sum(again.values())
    ends = {(f"{pre}[{i}]", f"{post}[{j}]") for _, pre, post, i, j in again}
    assert set(chain.from_iterable(v.examples for v in violations)) <= ends


@settings(max_examples=40, deadline=None)
@given(wired_circuits(), st.sampled_from([PAPERS, ALL]))
def test_pairs_of_populations_equal_listing(circuit, roles):
    joined = connections(circuit, roles).tocoo()
    names = [name for name, _ in cells_of(circuit)]
    edges = {(names[i], names[j]) for i, j in zip(joined.row, joined.col, strict=True)}
    apart = {frozenset((a, b)) for a, b in edges if a != b and (b, a) in edges}
    output = {frozenset(n for n, _ in pair) for pair in of_output(circuit, listed_pairs(circuit))}
    violations = check(circuit, no_reciprocal_pairs(roles, "population")).violations
    assert {frozenset(v.where) for v in violations} == apart - output


@settings(max_examples=40, deadline=None)
@given(wired_circuits(), st.sampled_from([PAPERS, ALL]))
def test_projections_between_the_paths_equal_listing(circuit, roles):
    paths = {name: p.path for name, p in circuit.populations.items()}
    output = [{p.pre, p.post} for p in circuit.select(role="compare") if paths[p.pre] == "forward"]
    between = Counter(
        (paths[p.pre], paths[p.post])
        for p in circuit.projections.values()
        if p.role in roles and {p.pre, p.post} not in output
    )
    ways = [between["forward", "feedback"], between["feedback", "forward"]]
    found = check(circuit, no_reciprocal_pairs(roles, "path")).violations
    assert [v.count for v in found] == ([sum(ways)] if all(ways) else [])


@pytest.mark.parametrize("roles", [DEFAULT_ROLES, (*ALL, "compare")])
@pytest.mark.parametrize(
    ("net", "rule"),
    [
        *product(["mlp:4-4-4-4-3"], ["bp", "kp", "wm", "dfa", "drtp", "asap,k=2"]),
        ("conv2:1x6x6-3,width=2,hidden=4", "bp"),
    ],
)
def test_return_paths_equal_a_search_from_each_cell(net, rule, roles):
    circuit = wired(net, rule)
    paths = [p for p in return_paths(circuit, None, roles) if p.population != circuit.output.name]
    lengths = [p.length for p in paths if p.length is not None]
    assert shortest_return(circuit, roles) == min(lengths, default=None)
    for least in range(2, 9):
        violations = check(circuit, return_path_at_least(least, roles)).violations
        assert sum(v.count for v in violations) == sum(length < least for length in lengths)


def test_large_nets_are_decided_by_algebra():
    """A residual net with 7.7 million cells, none of them listed."""
    circuit = wired("resnet34:3x64x64-200", "kp")
    asked = parse_constraints("papers,all,no-autapse,no-multapse,fan-in<=5000,return-path>=4")
    report = check(circuit, asked)
    assert [finding.ok for finding in report.findings] == [False, False, True, True, False, False]
    assert check(report.findings[1].fix.apply(circuit), no_reciprocal_pairs(ALL)).ok


# -- what the words mean ---------------------------------------------------------------------------


def product_feedback(copied: bool) -> Circuit:
    """An error that comes back by way of a population between, δ_y → r → δ_h.

    ::

        h1 ───── W ────> output ──> delta_output
        │ ^ teach                     │ R: W itself, transposed, or a draw of its own
        v │                           v
        delta_h1 <── B, which learns ─ r
    """
    net = Wiring(parse_circuit("mlp:3-4-2"))
    net.population("target", (2,), path="target")
    net.population("delta_output", (2,), path="feedback", partner="output")
    net.population("r", (4,), path="feedback")
    net.population("delta_h1", (4,), path="feedback", partner="h1")
    for source in ("output", "target"):
        net.connect(source, "delta_output", role="compare")
    w = net.projections["h1 -> output"]
    own = Weights("tied", to=w.name) if copied else Weights()
    net.connect("delta_output", "r", w.connector.transpose, weights=own)
    if copied:
        net.connect("r", "delta_h1")
    else:
        b = net.connect("r", "delta_h1", w.connector)
        net.teach("h1", "delta_h1")
        net.learn(b, pre=ACTIVITY, post=taught_by("h1"))
    for name in ("output", "h1"):
        net.teach(f"delta_{name}", name)
    return net.build()


def test_weights_and_pairs_are_two_questions():
    """Feedback as a product of two: a copy needs no pair, and a pair no copy."""
    asked = no_reciprocal_pairs() & no_weight_transport() & no_sign_transport()
    holds = [f.ok for f in check(product_feedback(copied=True), asked).findings]
    assert holds == [True, False, False]
    holds = [f.ok for f in check(product_feedback(copied=False), asked).findings]
    assert holds == [False, True, True]


@pytest.mark.parametrize(
    ("rule", "weights", "signs"),
    [
        ("bp", False, False),
        ("ss", True, False),
        ("fa", True, True),
        ("dfa,last_layer=bp", False, False),
        ("kp", True, True),
        ("kp,init=aligned", False, False),
    ],
)
def test_who_has_the_weights_or_the_signs_of_another(rule, weights, signs):
    report = check(wired("mlp:6-4-4-3", rule), no_weight_transport() & no_sign_transport())
    assert [finding.ok for finding in report.findings] == [weights, signs]


def test_a_copy_at_the_start_is_transport():
    (violation,) = check(wired("mlp:6-4-3", "kp,init=aligned"), no_weight_transport()).violations
    assert violation.why == "'delta_output -> delta_h1' starts as a copy of 'h1 -> output'"
    assert violation.count == 12


@pytest.mark.parametrize("copied", [True, False])
def test_cells_between_are_not_paired(copied):
    (violation,) = check(product_feedback(copied), one_to_one()).violations
    assert violation.why == "r has no forward partner"


def test_one_to_one_counts_who_teaches_whom():
    net = Wiring("pairing")
    h, g = net.population("h", (4,)), net.population("g", (2,))
    d = net.population("d", (4,), path="feedback", partner="h")
    e = net.population("e", (2,), path="feedback", partner="g")
    net.teach(d, h)
    net.teach(e, g)
    net.mimic(d, g, "engaged", MatchConnector())  # which is no teaching
    assert check(net.build(), one_to_one()).ok
    net.teach(d, g, MatchConnector())  # two cells of d for each of g
    found = [(v.where, v.count) for v in check(net.build(), one_to_one()).violations]
    assert found == [(("g",), 2), (("d",), 4)]


def test_one_to_one_names_the_cells_that_are_not():
    """A pool leaves out the last row and column of the cells before it."""
    net = Wiring("pairing")
    h, g = net.population("h", (1, 3, 3)), net.population("g", (1, 1, 1))
    d = net.population("d", (1, 3, 3), path="feedback", partner="h")
    net.teach(d, h)
    net.teach(d, g, AveragePoolConnector(2))
    found = [(v.where, v.count, v.examples) for v in check(net.build(), one_to_one()).violations]
    taught_twice = tuple((f"d[{n}]",) for n in (0, 1, 3, 4))
    assert found == [(("g",), 1, (("g[0]",),)), (("d",), 4, taught_twice[:EXAMPLES])]


def test_one_to_one_names_the_cells_that_several_teach():
    net = Wiring("pairing")
    g = net.population("g", (1, 3, 3))
    e = net.population("e", (1, 3, 3), path="feedback", partner="g")
    f = net.population("f", (1, 1, 1), path="feedback")
    net.teach(e, g)
    net.teach(f, g, AveragePoolConnector(2).transpose)
    found = [v for v in check(net.build(), one_to_one()).violations if v.where == ("g",)]
    assert [(v.count, v.examples) for v in found] == [(4, (("g[0]",), ("g[1]",), ("g[3]",)))]
    assert found[0].why == "g is taught by several cells of e, f"


def test_skips_come_from_an_earlier_layer():
    """Also where a pool lies between: it stands for the cells that it pools."""
    assert check(wired("mlp:6-4-4-4-3", "asap"), skip_only()).ok
    report = check(wired("alexnet:1x8x8-3,width=2,hidden=4", "kp"), skip_only())
    assert ("pool1", "delta_pool1") in [v.where for v in report.violations]


def test_dale_by_weights_that_are_given():
    net = Wiring("dale")
    a, b = net.population("a", (2,)), net.population("b", (2,))
    net.connect(a, b, FromListConnector([(0, 0, 1.0), (0, 1, -1.0), (1, 0, 2.0), (1, 1, 1.0)]))
    (violation,) = check(net.build(), dales_law()).violations
    assert (violation.count, violation.examples) == (1, (("a[0]",),))
    assert "oneway spike --dale" in violation.no_fix
    assert check(net.build(), dales_law(lambda name: np.array([1.0, 1.0, -2.0, -1.0]))).ok


def test_pairs_listed_twice_become_one():
    net = Wiring("twice")
    a, b = net.population("a", (2,)), net.population("b", (2,))
    net.connect(a, b, FromListConnector([(0, 0, 1.0), (1, 1, 3.0), (0, 0, 0.5)]))
    report = check(net.build(), no_multapse())
    assert report.violations[0].examples == (("a[0]", "b[0]"),)
    connector = report.fix.apply(net.build()).projections["a -> b"].connector
    assert connector.conn_list == ((0, 0, 1.5), (1, 1, 3.0))


@pytest.mark.parametrize("rule", ["kp", "asap,signals=synapse"])
def test_what_runs_against_a_list_or_to_its_synapses_follows_it(rule):
    repeated = [(0, 0), (1, 1), (2, 2), (3, 3), (0, 0), (1, 2)]
    once = tuple(dict.fromkeys(repeated))
    net = Wiring("twice")
    h = [net.population(f"h{n}", (4,), activation="relu") for n in range(4)]
    for pre, post in pairwise(h):
        net.connect(pre, post, FromListConnector(repeated))
    net.connect(h[-1], net.population("output", (2,)), AllToAllConnector())
    circuit = parse_rule(rule).wire(net.build())
    fixed = check(circuit, no_multapse(("drive",))).fix.apply(circuit)
    assert check(fixed, no_multapse(("drive",))).ok
    for p in fixed.projections.values():
        connector = getattr(p.connector, "drive", p.connector)
        inner = connector.transpose if connector.transposed else connector
        assert getattr(inner, "conn_list", once) == once
    assert len(fixed.projections) == len(circuit.projections)


# -- graphs ----------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from([-1.0, 1.0]))))
def test_graphs_answer_as_networkx_does(listed):
    pre, post, weights = zip(*listed, strict=True) if listed else ((), (), ())
    graph = Graph.from_edges(pre, post, weights, names=[f"n{i}" for i in range(7)])
    plain = nx.DiGraph((u, v) for u, v, _ in listed if u != v)
    loops = dict.fromkeys(plain, np.inf)
    for u in plain:
        lengths = nx.single_source_shortest_path_length(plain, u)
        loops[u] = min((1 + lengths[v] for v in plain.predecessors(u) if v in lengths), default=9)
    expected = {
        "papers": sum(plain.has_edge(v, u) for u, v in plain.edges if u < v),
        "no-autapse": len({u for u, v, _ in listed if u == v}),
        "no-multapse": len(listed) - len({(u, v) for u, v, _ in listed}),
        "fan-in<=2": sum(degree > 2 for _, degree in plain.in_degree),
        "return-path>=4": sum(length < 4 for length in loops.values()),
    }
    report = check(graph, parse_constraints(",".join(expected)))
    counts = {f.constraint.name: sum(v.count for v in f.violations) for f in report.findings}
    assert counts == expected
    offenders = {
        "no-autapse": {u for u, v, _ in listed if u == v},
        "fan-in<=2": {v for v, degree in plain.in_degree if degree > 2},
        "return-path>=4": {u for u, length in loops.items() if length < 4},
    }
    for finding in report.findings:
        for v in finding.violations if finding.constraint.name in offenders else ():
            shown = {int(cell.removeprefix("n")) for (cell,) in v.examples}
            assert shown <= offenders[finding.constraint.name]
            assert len(shown) == min(v.count, EXAMPLES)
    summed = nx.DiGraph()
    for u, v, w in listed:
        before = summed.get_edge_data(u, v, {"w": 0.0})["w"]
        summed.add_edge(u, v, w=before + w)
    mixed = [u for u in summed if {np.sign(w) for *_, w in summed.out_edges(u, "w")} >= {-1, 1}]
    assert sum(v.count for v in check(graph, dales_law()).violations) == len(mixed)


def test_a_graph_is_not_asked_for_what_it_does_not_say():
    with pytest.raises(WiringError, match=r"constraint one-to-one: a plain graph does not say"):
        check(nx.DiGraph([("u", "v")]), one_to_one())


# -- names -----------------------------------------------------------------------------------------


def test_names_are_read_back():
    assert [c.name for c in parse_constraints(",".join(c.name for c in EVERY))] == [
        c.name for c in EVERY
    ]


def test_numbers_may_follow_a_plain_sign():
    """fan-in=4 is at most 4, return-path=4 at least 4."""
    names = [c.name for c in parse_constraints("fan-in=4,return-path=4")]
    assert names == ["fan-in<=4", "return-path>=4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("strict", r"constraint 'strict'; expected one of papers, all, .*fan-in<=N"),
        ("no-weight-transprot", r"did you mean 'no-weight-transport'"),
        ("fan-in", r"'fan-in': fan-in wants a number, as in fan-in<=4"),
        ("fan-in>=3", r"'fan-in>=3': fan-in wants a number, as in fan-in<=4"),
        ("return-path>=few", r"return-path wants a number, as in return-path>=4"),
        ("papers@cells", r"constraint 'papers@cells'; did you mean 'papers'"),
        (" , ", r"names none, expected one of papers"),
    ],
)
def test_unknown_names_are_refused_with_those_there_are(text, message):
    with pytest.raises(WiringError, match=message):
        parse_constraints(text)


def test_a_level_that_is_none_is_named():
    with pytest.raises(WiringError, match="level 'layer', expected one of cell, population, path"):
        no_reciprocal_pairs(level="layer")


def test_roles_of_the_language_are_those_of_circuits():
    assert set(ALL) | {"compare"} == set(ROLES)


# -- documentation ---------------------------------------------------------------------------------


def test_the_page_has_every_constraint_and_its_code_says_what_it_does(capsys):
    page = (Path(__file__).parents[2] / "docs" / "constraints.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in KNOWN if name != "fan-in@all<=N")
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(block, "constraints.md", "exec"), {})
        said = [text.split("# ")[1] for text in block.splitlines() if text.startswith("print(")]
        printed = capsys.readouterr().out.splitlines()
        for expected, text in zip(said, printed, strict=True):
            start, _, end = expected.partition(" ... ")
            told = expected.startswith("what its axon")
            assert told or (text.startswith(start) and text.endswith(end))
