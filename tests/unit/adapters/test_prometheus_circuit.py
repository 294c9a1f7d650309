from modelramp.adapters.prometheus_lanes import Circuit


def test_the_third_failure_in_a_row_ends_the_questions_of_that_tick():
    circuit = Circuit()
    for _ in range(2):
        circuit.failed(60)
        assert not circuit.refuses(60)
    circuit.failed(60)
    assert circuit.refuses(60)


def test_the_next_tick_asks_again_and_one_failure_is_then_enough():
    circuit = Circuit()
    for _ in range(3):
        circuit.failed(60)
    assert not circuit.refuses(120)
    circuit.failed(120)
    assert circuit.refuses(120)


def test_an_answer_closes_the_circuit_and_clears_the_count():
    circuit = Circuit()
    for _ in range(3):
        circuit.failed(60)
    circuit.answered()
    assert not circuit.refuses(60)
    circuit.failed(60)
    circuit.failed(60)
    assert not circuit.refuses(60)
