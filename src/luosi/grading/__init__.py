"""Marks of answers: by a rule for each kind of question, or by a judge model's word; the user's own questions and their check.

graded = grade(question, "The answer is 25 days [1].", cited)     # graded.mark, graded.marks, graded.chosen
messages = judge_messages(question, text, accepted_first=True)    # ask a model, twice; then read_judgement, judged
agreement([(judge_right, person_right), ...])                     # how far a judge can be believed
"""

from luosi.grading.agreement import Agreement, agreement
from luosi.grading.grade import Graded, fits, grade, grader_for
from luosi.grading.judge import judge_messages, judged, read_judgement

__all__ = [
    "Agreement",
    "Graded",
    "agreement",
    "fits",
    "grade",
    "grader_for",
    "judge_messages",
    "judged",
    "read_judgement",
]
