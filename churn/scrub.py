"""Mask what could name a person or open a door, wherever text leaves the process."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, time, timedelta
from typing import TypeAlias

_EDGE = r"\s@\"<>()\[\]\\,;:"
_EMAIL = re.compile(
    rf'(?:"[^"\n]{{1,64}}"|[^{_EDGE}]{{1,64}})(?:(?:@|%40)(?:\[[^\]\s]+\]|[^{_EDGE}]+))+', re.IGNORECASE
)
_CARD = re.compile(
    r"""(?x)
    (?<![\w.-])(?:
        \d{13,19}
      | \d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{3})?
      | \d{4}([ -])\d{6}\2\d{5}
    )(?![\w-])
    """
)
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_PHONE = re.compile(
    r"""(?x)
    (?<![\w.:/-])(?:
        \+[1-9](?:[ ./()-]{0,2}\d){7,14}              # +49 30 1234567
      | (?=(?:\D{0,2}\d){8})\(?0\d{1,4}\)?[ /-]\d{3,}(?:[ -]\d+){0,4}  # 030/1234567, (0171) 123 45 67
      | \(?[1-9]\d{2}\)?[ .-]{1,2}\d{3}[ .-]\d{4}     # (212) 555-0187
      | 0\d{9,11}                                     # 01711234567
    )(?![\w-])
    """
)
_CREDENTIALS = (
    re.compile(r"(?i)(?<!\w)(?:bearer|basic)\s+[\w.~+/=-]{8,}"),
    re.compile(r"(?<![\w.])(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{16,}"),  # Vault: service, batch and recovery tokens
    re.compile(r"(?<!\w)eyJ[\w-]{1,4096}\.[\w-]+\.[\w-]*"),  # JSON web token
    re.compile(r"(?<!\w)A(?:KI|SI)A[0-9A-Z]{16}(?!\w)"),  # AWS access key
)
_URL_USER = re.compile(r"(?<=://)[^/\s@:]+:[^/\s@]+(?=@)")
_ASSIGNED = re.compile(
    r"""(?ix) (?P<name> (?<!\w) [\w-]{0,40} (?:token|secret|password|passwd|authorization) (?!s?\w) )
        (?P<sign> ["']? \s* [=:] \s* ["']? ) [^\s"',;&)}\]]+"""
)
_SECRET_WORDS = frozenset({"token", "secret", "password", "passwd", "authorization", "credential", "credentials"})
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")

SECRET = "<secret>"

Loggable: TypeAlias = "bool | int | float | str | list[Loggable] | dict[str, Loggable] | None"


def scrub(text: str) -> str:
    """Return `text` with e-mail addresses, phone, card and account numbers and credentials masked.

    It errs on the side of masking: what touches an address goes with it. Names of people cannot
    be recognised; a caller must not pass raw personal values in the first place.
    """
    if "@" in text or "%40" in text:
        text = _EMAIL.sub("<email>", _URL_USER.sub(SECRET, text))
    for credential in _CREDENTIALS:
        text = credential.sub(SECRET, text)
    text = _ASSIGNED.sub(rf"\g<name>\g<sign>{SECRET}", text)
    text = _IBAN.sub(_masked_if(_is_iban, "<iban>"), text)
    text = _CARD.sub(_masked_if(_is_card, "<card>"), text)
    return _PHONE.sub("<phone>", text)


def scrub_value(value: object) -> Loggable:
    """Return `value` fit for a log line: containers are walked, anything unknown becomes scrubbed text."""
    match value:
        case None | bool():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case str():
            return scrub(value)
        case int():
            return "<card>" if _CARD.fullmatch(str(value)) and _is_card(str(value)) else value
        case bytes() | bytearray():
            return scrub(value.decode("utf-8", "replace"))
        case Mapping():
            return scrub_mapping(value)
        case list() | tuple() | set() | frozenset():
            return [scrub_value(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return scrub_mapping(asdict(value))
        case _:
            return scrub(str(value))


def scrub_mapping(mapping: Mapping[str, object]) -> dict[str, Loggable]:
    """Scrub keys and values; whatever stands under a key that names a credential is masked whole."""
    return {
        scrub(str(key)): SECRET if _names_secret(str(key)) and value is not None else scrub_value(value)
        for key, value in mapping.items()
    }


def _names_secret(key: str) -> bool:
    return not _SECRET_WORDS.isdisjoint(word.lower() for word in _WORDS.findall(key))


def _masked_if(believable: Callable[[str], bool], mask: str) -> Callable[[re.Match[str]], str]:
    return lambda match: mask if believable(match[0]) else match[0]


def _is_card(text: str) -> bool:
    """Luhn's check: most long numbers that are no card fail it."""
    digits = [int(character) for character in reversed(text) if character.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """ISO 13616: moved to the end and read in base 36, the check digits leave a remainder of 1."""
    compact = text.replace(" ", "")
    return int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1
