"""What is fast, and what it costs: each verb is one file, run with `python -m`.

| verb | what it measures |
|---|---|
| `benchmarks` | training steps, compilation and peak memory beside NumPy, PyTorch and JAX |
| `benchmarks.gemm` | matrix products of all shapes, and with what follows them |
| `benchmarks.convolutions` | convolutions and both gradients |
| `benchmarks.vector_math` | time and error of exp, tanh, erf and so on, per element |
| `benchmarks.sorting` | sorting, selecting and cumulating |
| `benchmarks.linear_algebra` | factorizations and systems |
| `benchmarks.scaling` | one thread against two; what idle threads take |
| `benchmarks.calls` | a call beside its work; many arrays; several callers at once |
| `benchmarks.memory` | working memory against its lower bound, and peak memory |
| `benchmarks.roofline` | workloads against what the machine allows |
| `benchmarks.tuned` | schedules by the rules against tuned ones |
| `benchmarks.leak` | memory that calls and compilations leave behind |

Peers are optional: what is not installed is left out. `timing` is what the verbs share; `workloads`
are the training runs, `contender` and `peers` their programs; `serve` is the process of one.
`fit_polynomials` makes the coefficients of the vector mathematics.
"""
