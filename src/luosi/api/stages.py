"""The stages that come with Luosi."""

from __future__ import annotations

from typing import Any

from luosi.pipeline.stage import Stage
from luosi.stages.command.stage import CommandStage
from luosi.stages.compress.stage import CompressStage
from luosi.stages.curate.stage import CurateStage
from luosi.stages.evaluate.stage import EvaluateStage
from luosi.stages.exam.stage import ExamStage
from luosi.stages.export.stage import ExportStage
from luosi.stages.finetune.stage import FinetuneStage
from luosi.stages.import_model.stage import ImportModelStage
from luosi.stages.pairs.stage import PairsStage
from luosi.stages.pretrain.stage import PretrainStage
from luosi.stages.race.stage import RaceStage
from luosi.stages.retrieve.stage import RetrieveStage
from luosi.stages.tokenize.stage import TokenizeStage
from luosi.stages.train_tokenizer.stage import TrainTokenizerStage
from luosi.stages.verdict.stage import VerdictStage

STAGES: tuple[Stage[Any, Any], ...] = (
    CurateStage(), ExamStage(), ImportModelStage(), TrainTokenizerStage(), TokenizeStage(), PretrainStage(), PairsStage(),
    RetrieveStage(), FinetuneStage(), ExportStage(), CompressStage(), EvaluateStage(), RaceStage(), VerdictStage(), CommandStage(),
)  # fmt: skip
