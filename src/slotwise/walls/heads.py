"""The first line of a record: who wrote it, when, with which severity, and where its message begins.

Formats: Odoo (odoo/netsvc.py 17-19), PostgreSQL stderr with any log_line_prefix (elog.c 12-18: ``prefix SEVERITY:
text``, continued by lines that begin with a tab), PgBouncer 1.5-1.26 (lib/usual/logging.c). Everything is pure text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from slotwise.walls.timestamps import EPOCH, MOMENT, epoch_of, seconds_of


def _words(text: str) -> list[str]:
    return text.split()


_BY_LEVEL = {
    "FATAL": """FATAL FATALE FATALT ВАЖНО ФАТАЛЬНО 致命错误 致命錯誤 致命的エラー 치명적오류 ფატალური
        KATASTROFALNY ÖLÜMCÜL VAZHNO FATAL`NO""",
    "PANIC": "PANIC PANIK PANICO ПАНИКА ПАНІКА 灾难性错误 嚴重錯誤 손상 პანიკა PANIKA PÂNICO",
    "ERROR": """ERROR FEHLER ERREUR ERRORE ОШИБКА ПОМИЛКА 错误 錯誤 エラー 오류 შეცდომა FEL HATA ERRO BŁĄD
        KESALAHAN OSHIBKA POMILKA""",
    "WARNING": """WARNING WARNUNG ATTENTION ATTENZIONE ПРЕДУПРЕЖДЕНИЕ ПОПЕРЕДЖЕННЯ 警告 경고 გაფრთხილება VARNING
        AVISO UYARI OSTRZEŻENIE PERINGATAN PREDUPREZHDENIE POPEREDZHENNYA""",
    "LOG": "LOG LOGG СООБЩЕНИЕ ЗАПИСУВАННЯ 日志 日誌 ログ 로그 ჟურნალი DZIENNIK SOOBSHHENIE ZAPISUVANNYA",
    "INFO": "INFO NOTICE HINWEIS NOTIZ NOTA",
}
SEVERITIES: dict[str, str] = {word: level for level, words in _BY_LEVEL.items() for word in _words(words)}
"""PostgreSQL's severities in its languages (elog.c error_severity, translated by lc_messages), to the English one; also
in the Latin letters that glibc writes for Cyrillic ones when LC_CTYPE is C."""

_DETAILS = frozenset(
    _words("""DETAIL HINT TIPP DETALLE DÉTAIL ASTUCE DETTAGLI SUGGERIMENTO 詳細 ヒント დეტალები მინიშნება 상세정보 힌트
        ПОДРОБНОСТИ ПОДСКАЗКА DETALJ TIPS ВІДОМОСТІ УКАЗІВКА 详情 提示 詳情 PODROBNOSTI PODSKAZKA VIDOMOSTI UKAZIVKA""")
)
"""Parts of a record that explain its message."""
_ASIDES = _words("""QUERY CONTEXT STATEMENT LOCATION ZUSAMMENHANG ANWEISUNG ANFRAGE ORT CONTEXTO SENTENCIA CONSULTA
    UBICACIÓN CONTEXTE INSTRUCTION REQUÊTE EMPLACEMENT CONTESTO ISTRUZIONE POSIZIONE 文脈 文 問い合わせ 場所 კონტექსტი
    ოპერატორი მოთხოვნა მდებარეობა 내용 쿼리 위치 КОНТЕКСТ ОПЕРАТОР ЗАПРОС ПОЛОЖЕНИЕ KONTEXT SATS FRÅGA PLATS ІНСТРУКЦІЯ
    ЗАПИТ РОЗТАШУВАННЯ 上下文 语句 查询 位置 陳述式 查詢 KONTEKST OPERATOR
    ZAPROS POLOZHENIE INSTRUKCZIYA ZAPIT ROZTASHUVANNYA""")
"""Parts that quote a statement, its context or a place in the source."""

_PREFIX_CHARS = 400
_LAST_WORD = re.compile(r"[^\s>\])|,;/:-]+$")
_LONGEST = max(map(len, SEVERITIES)) + 1
_DEBUGS = frozenset(["", "1", "2", "3", "4", "5"])
_PARTS = "|".join(sorted((*_DETAILS, *_ASIDES, "명령 구문"), key=len, reverse=True))
_PART = re.compile(rf"(?:^|(?<=[\s>\]\)|,;/:-]))(?P<part>{_PARTS})\s?: {{1,3}}")
_ODOO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d) (?P<clock>\d\d:\d\d:\d\d),(?P<part>\d{3}) (?P<pid>\d+) (?P<level>[A-Z]{4,8}) "
    r"(?P<database>\S+) (?P<logger>[\w.]+): "
)
_ODOO_SYSLOG = re.compile(
    r"(?:Odoo|odoo)\S*(?: Server)? [\d.]\S*?:(?P<database>[^:\s]+):(?P<level>[A-Z]{4,8}):(?P<logger>[\w.]+):"
)
_PGBOUNCER = re.compile(
    r"(?P<moment>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: (?!\d+ )(?:[A-Z]{1,5}|[+-]\d\d(?::?\d\d)?))?) "
    r"\[?(?P<pid>\d+)\]? (?P<level>LOG|WARNING|ERROR|FATAL|NOISE|DEBUG|INFO) (?=\S)"
)
_PEER = re.compile(r"(?P<user>[\w.$-]+|\[unknown\])@(?P<database>[\w.$-]+|\[unknown\])")
_USER = re.compile(r"\b(?:user|usr)[=:](?P<user>[^\s,;|\])]+)")
_DATABASE = re.compile(r"\b(?:db|database|dbname)[=:](?P<database>[^\s,;|\])]+)")
_PID = re.compile(r"\[(?P<a>\d{1,7})(?:-\d+)?\]|(?:^|\s)\(?(?P<c>\d{1,7})\)?(?=[\s:,]|$)")
_PID_NAMED = re.compile(r"\bpid[=:] ?(?P<b>\d{1,7})")
_PID_OF_SESSION = re.compile(r"(?<![\w.])[0-9a-f]{8}\.(?P<hex>[0-9a-f]{1,6})(?![\w.])")
"""%c: the time of the session's start and its process id, both hexadecimal."""
_NOT_A_PREFIX = re.compile(r"rror(?!_code)|failed|Traceback|psql:|pg_dump:|: $")
_ORDINARY = frozenset(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])


class Head(NamedTuple):
    """What the first line of a record says before its message."""

    layer: str
    """``odoo``, ``postgres`` or ``pgbouncer``."""
    seconds: float | None
    """Seconds since 1970 UTC; None where the line carries no time."""
    level: str
    """Severity in English, as the program names it."""
    pid: int | None
    user: str | None
    database: str | None
    logger: str | None
    """Odoo's logger."""
    body: int
    """Where the message begins, in characters."""


def head_of(line: str) -> Head | None:
    """The head of a record, or None when ``line`` continues another record (or is of no known format)."""
    if not line or line[0] in "\t ":
        return None
    if line[0].isdigit():
        match = _ODOO.match(line)
        if match is not None:
            database = match["database"]
            return Head(
                "odoo",
                seconds_of(MOMENT.match(line)) if MOMENT.match(line) else None,  # type: ignore[arg-type]
                match["level"],
                int(match["pid"]),
                None,
                None if database in ("?", "None") else database,
                match["logger"],
                match.end(),
            )
        match = _PGBOUNCER.match(line)
        if match is not None:
            moment = MOMENT.match(match["moment"])
            seconds = seconds_of(moment) if moment else None
            return Head("pgbouncer", seconds, match["level"], int(match["pid"]), None, None, None, match.end())
    return _postgres_head(line) or _odoo_syslog_head(line)


def _odoo_syslog_head(line: str) -> Head | None:
    match = _ODOO_SYSLOG.match(line)
    if match is None or match["level"] not in _ORDINARY:
        return None
    database = None if match["database"] in ("?", "None") else match["database"]
    return Head("odoo", None, match["level"], None, None, database, match["logger"], match.end())


def _severity(line: str) -> tuple[int, int, int] | None:
    """Where the first severity of a line begins and ends, and where its message begins ; None where
    it has none: a known word between a separator and ``: ``, at most one space before the colon and two behind it."""
    at = line.find(": ", 0, _PREFIX_CHARS)
    while at > 0:
        end = at - 1 if line[at - 1].isspace() else at
        word = _LAST_WORD.search(line, max(0, end - _LONGEST), end)
        if word is not None and _is_severity(word[0]):
            body = at + 3 if line[at + 2 : at + 3] == " " else at + 2
            if body < len(line) and not line[body].isspace():
                return word.start(), word.end(), body
        at = line.find(": ", at + 1, _PREFIX_CHARS)
    return None


def _is_severity(word: str) -> bool:
    if word in SEVERITIES:
        return True
    return (word.startswith("DEBUG") and word[5:] in _DEBUGS) or (1 < len(word) < 15 and not word.strip("?"))


def _postgres_head(line: str) -> Head | None:
    """``any prefix SEVERITY:  message``; lines that name a part (DETAIL, STATEMENT) belong to the record before."""
    found = _severity(line)
    if found is None:
        return None
    start, end, body = found
    prefix, level = line[:start], line[start:end]
    if len(prefix) > 1 and _NOT_A_PREFIX.search(prefix):
        return None
    if not prefix and body - end < 3 and level not in ("LOG", "FATAL"):
        return None  # "ERROR: ..." with one space is what Odoo and psycopg print inside a record
    seconds, rest = _time_in(prefix)
    user, database = _names_in(rest)
    return Head(
        "postgres",
        seconds,
        "?" if level[0] == "?" else SEVERITIES.get(level, "DEBUG"),
        _pid_in(rest),
        user,
        database,
        None,
        body,
    )


def part_of(line: str) -> tuple[str, bool, int] | None:
    """For a DETAIL, HINT, STATEMENT ... line: the word, whether it explains the message, where its text begins."""
    match = _PART.search(line, 0, 400)
    if match is None:
        return None
    return match["part"], match["part"] in _DETAILS, match.end()


def _time_in(prefix: str) -> tuple[float | None, str]:
    """Time from a log_line_prefix (%t %m %n; the session's start %s comes later), and the prefix without it."""
    match = MOMENT.search(prefix)
    if match is not None:
        return seconds_of(match), prefix[: match.start()] + " " + prefix[match.end() :]
    match = EPOCH.search(prefix)
    if match is not None:
        return epoch_of(match), prefix[: match.start()] + " " + prefix[match.end() :]
    return None, prefix


def _names_in(prefix: str) -> tuple[str | None, str | None]:
    """User and database from a log_line_prefix (%u@%d, user=%u,db=%d); None where not written or unknown."""
    peer = _PEER.search(prefix)
    user = peer["user"] if peer else None
    database = peer["database"] if peer else None
    named = _USER.search(prefix)
    if named is not None:
        user = named["user"]
    named = _DATABASE.search(prefix)
    if named is not None:
        database = named["database"]
    return _known(user), _known(database)


def _known(name: str | None) -> str | None:
    return None if name in (None, "", "[unknown]") else name


def _pid_in(prefix: str) -> int | None:
    named = _PID_NAMED.search(prefix)
    if named is not None:
        return int(named["b"])
    bracketed = _PID.search(prefix)
    if bracketed is not None and bracketed["a"]:
        return int(bracketed["a"])
    session = _PID_OF_SESSION.search(prefix)
    if session is not None:
        return int(session["hex"], 16)
    return int(bracketed["c"]) if bracketed is not None else None
