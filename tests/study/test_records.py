"""The archive of searches and the files of single trainings."""

import gzip

import pytest
from helpers import CONFIG, JOBS, run
from model_records import model, put_search, search

from autodl_design.record.history import RecordError
from autodl_design.record.log_dir import FINAL_NAME
from study import records
from study.finalists import NUM_STAGES
from study.records import ARCHIVE, read_all, read_runs, read_searches, train_missing, write_runs


def test_the_archive_keeps_what_is_not_replaced(tmp_path):
    put_search(tmp_path, "random-0", search([0.5]))
    put_search(tmp_path, "random-10", search([0.25, 0.5]))
    before = (tmp_path / ARCHIVE).read_bytes()
    put_search(tmp_path, "random-0", search([0.5]))
    assert (tmp_path / ARCHIVE).read_bytes() == before
    assert read_searches(tmp_path) == {"random": {0: search([0.5]), 10: search([0.25, 0.5])}}
    put_search(tmp_path, "random-0", search([0.5]), [search([0.5])[0]._replace(run=1)])
    assert read_searches(tmp_path, FINAL_NAME) == {"random": {0: [search([0.5])[0]._replace(run=1)]}}
    assert len(read_all(tmp_path / ARCHIVE)) == 4
    (tmp_path / "logs" / "random-0" / FINAL_NAME).unlink()  # as in another search of this name
    put_search(tmp_path, "random-0", search([0.5]))
    with pytest.raises(RecordError, match="holds no AGENT-SEED/final_candidates.jsonl"):
        read_searches(tmp_path, "final_candidates.jsonl")
    with pytest.raises(RecordError, match="is not named AGENT-SEED"):
        put_search(tmp_path, "random", search([0.5]))


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "retrained.jsonl.gz"
    write_runs(path, [model(0, 0.5, network=f"{0:016x}", run=1)])
    for content in (path.read_bytes()[:-9], gzip.compress(b"5\n")):
        path.write_bytes(content)
        with pytest.raises(RecordError, match="retrained.jsonl.gz cannot be read"):
            read_runs(path)


def test_the_size_of_recorded_searches():
    config = records.child_config_of(records.SMALL)
    assert (config.width, config.num_cells, config.epochs, config.train_batch_size) == (16, 1, 2, 8)
    assert records.child_config_of(records.THREE_CELLS).num_cells == 3
    with pytest.raises(RecordError, match="cannot be read"):
        records.child_config_of(records.SIZES_MIXED)


def test_ids_of_recorded_networks_are_those_of_their_architectures():
    """Ids are what records of one network are found by."""
    for path in records.FOLDER.rglob("full_size.jsonl.gz"):
        for one in read_runs(path):
            assert one.architecture.network_id(NUM_STAGES) == one.network


@pytest.mark.slow
def test_trains_what_is_missing(tmp_path, easy_subset):
    jobs = {f"{job.mid:016x}": job for job in JOBS[:2]}
    path = tmp_path / "w8.jsonl.gz"
    first = train_missing(path, jobs, 1, easy_subset, CONFIG, "cpu:2")
    assert [(one.network, one.run) for one in read_runs(path)] == [(network, 1) for network in jobs]
    both = train_missing(path, jobs, 2, easy_subset, CONFIG, "cpu:2")
    assert len(both) == 4 and all(one in both for one in first)
    assert train_missing(path, jobs, 2, easy_subset, CONFIG, "none") == read_runs(path)  # starts no trainer


def test_reading_the_records_imports_no_paddle():
    code = "import sys, study.figures; print('paddle' in sys.modules)"
    assert run("-c", code, check=True).stdout == "False\n"
