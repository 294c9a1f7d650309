"""`python -m benchmarks [NAME ...]`: budget, curves (writes docs/reference/operating-curves.*); all by default."""

import os
import sys

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # the matrices are small: threads would only wait for each other


def main(names: list[str]) -> int:
    """Run the named benchmarks; 1 when one of them failed, 2 for a name that there is not."""
    from benchmarks import budget, curves

    known = {"budget": budget.main, "curves": curves.main}
    if unknown := [name for name in names if name not in known]:
        print(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    return max(known[name]() for name in names or known)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
