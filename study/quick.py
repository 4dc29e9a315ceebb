"""How often `make quick` ends with "Has it learned? Yes".

    python -m study.quick    # the table

A row a recorded search of the quick preset: the mean accuracy of its first and its last three steps, the
difference in standard errors, and the verdict of main.py's last lines. records/quick_digits has those on
scikit-learn's digits, records/quick_cifar those on as many images of CIFAR-10. To record one more:

    python dataset_maker.py --source=digits --validation_per_class=70 --data_path=cifar/quick
    python main.py --preset=quick --data_path=cifar/quick --seed=3 --log_dir=logs/reinforce-3
    python -m study.records --results=study/records/quick_digits logs/reinforce-3
"""

from autodl_design.report_page.statistics import compare
from autodl_design.report_page.verdict import verdict
from autodl_design.settings import command_line
from study.records import ERRORS, QUICK, read_searches


def main(arguments: list[str]) -> None:
    print("images   seed  models  first   last  standard errors  learned")
    for images, results in QUICK.items():
        for seed, models in sorted(read_searches(results)["reinforce"].items()):
            comparison = compare(models)
            first, last = comparison.means.values()
            (difference,) = comparison.differences.values()
            print(
                f"{images:8} {seed:4} {len(models):7}  {first.mean:.3f}  {last.mean:.3f}"
                f"{difference.in_errors:17.1f}  {verdict(models, {}).answer}"
            )


if __name__ == "__main__":
    command_line.start(main, (), ERRORS)
