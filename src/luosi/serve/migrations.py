"""How accounts.db came to be what it is: charges, what people said of answers, battles. Nothing that was published is changed."""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE charges (
            id INTEGER PRIMARY KEY,
            time TEXT NOT NULL,
            model TEXT NOT NULL,
            upstream TEXT NOT NULL,
            prompt_tokens INTEGER,
            completion_tokens INTEGER,
            nano INTEGER,
            currency TEXT,
            status TEXT NOT NULL CHECK (status IN ('done', 'cancelled', 'failed')),
            CHECK ((nano IS NULL) = (currency IS NULL))
        )""",
        "CREATE INDEX charges_by_model ON charges (model, time)",
    ),
    (
        """CREATE TABLE questions (
            id INTEGER PRIMARY KEY,
            time TEXT NOT NULL,
            question_id TEXT NOT NULL,
            who TEXT NOT NULL,
            origin TEXT NOT NULL,
            body TEXT
        )""",
        "CREATE INDEX questions_by_id ON questions (question_id, id)",
        """CREATE TABLE corrections (
            id INTEGER PRIMARY KEY,
            time TEXT NOT NULL,
            question TEXT NOT NULL,
            given TEXT NOT NULL,
            corrected TEXT NOT NULL,
            model TEXT NOT NULL,
            recipe TEXT NOT NULL,
            place TEXT NOT NULL CHECK (place IN ('chat', 'verdict')),
            who TEXT NOT NULL,
            use TEXT NOT NULL CHECK (use IN ('question', 'pair', 'none')),
            question_id TEXT NOT NULL,
            CHECK (place = 'chat' OR use <> 'pair')
        )""",
        """CREATE TABLE marks (
            id INTEGER PRIMARY KEY,
            time TEXT NOT NULL,
            recipe TEXT NOT NULL,
            arm TEXT NOT NULL,
            question_id TEXT NOT NULL,
            correct INTEGER NOT NULL CHECK (correct IN (0, 1)),
            answer TEXT NOT NULL,
            who TEXT NOT NULL
        )""",
        "CREATE INDEX marks_by_recipe ON marks (recipe, arm, question_id, id)",
    ),
    (
        """CREATE TABLE battles (
            id INTEGER PRIMARY KEY,
            time TEXT NOT NULL,
            voter TEXT NOT NULL,
            session TEXT NOT NULL,
            prompt TEXT NOT NULL,
            language TEXT NOT NULL,
            length TEXT NOT NULL,
            topic TEXT NOT NULL,
            left_model TEXT NOT NULL,
            right_model TEXT NOT NULL,
            propensity REAL NOT NULL CHECK (propensity > 0 AND propensity <= 1),
            drawable INTEGER NOT NULL CHECK (drawable >= 1),
            CHECK (left_model <> right_model)
        )""",
        "CREATE INDEX battles_by_voter ON battles (voter, prompt)",
        """CREATE TABLE battle_turns (
            battle INTEGER NOT NULL REFERENCES battles (id),
            turn INTEGER NOT NULL CHECK (turn >= 1),
            time TEXT NOT NULL,
            prompt TEXT NOT NULL,
            source TEXT NOT NULL,
            PRIMARY KEY (battle, turn)
        )""",
        """CREATE TABLE battle_answers (
            battle INTEGER NOT NULL,
            turn INTEGER NOT NULL,
            side TEXT NOT NULL CHECK (side IN ('left', 'right')),
            text TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('done', 'stopped', 'failed')),
            cut INTEGER NOT NULL CHECK (cut IN (0, 1)),
            trouble TEXT NOT NULL,
            prompt_tokens INTEGER,
            completion_tokens INTEGER,
            nano INTEGER,
            currency TEXT,
            seconds REAL NOT NULL,
            passages TEXT NOT NULL,
            PRIMARY KEY (battle, turn, side),
            FOREIGN KEY (battle, turn) REFERENCES battle_turns (battle, turn),
            CHECK ((nano IS NULL) = (currency IS NULL))
        )""",
        """CREATE TABLE battle_votes (
            id INTEGER PRIMARY KEY,
            battle INTEGER NOT NULL UNIQUE REFERENCES battles (id),
            time TEXT NOT NULL,
            outcome TEXT NOT NULL CHECK (outcome IN ('left', 'right', 'tie', 'both_bad')),
            turn INTEGER NOT NULL,
            source TEXT NOT NULL
        )""",
    ),
)
"""Number n of the list takes the database from version n - 1 to n; only ever appended to."""
