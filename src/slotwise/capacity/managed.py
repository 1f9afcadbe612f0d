"""What managed services allow: max_connections by provider and class, with where each figure comes from."""

from __future__ import annotations

import msgspec

from slotwise.errors import OperatorError


class ManagedClass(msgspec.Struct, frozen=True, rename={"size": "class"}):
    """One provider's class. ``max_connections`` None: the provider publishes none, so read ``SHOW max_connections``.

    ``confidence``: *high*, *medium*, *low* or *none*, of the figure, not of the provider.
    """

    provider: str
    size: str
    max_connections: int | None
    source: str
    confidence: str
    kind: str
    memory_gib: float | None = None
    vcpus: int | None = None
    reserved: int | None = None
    usable_connections: int | None = None
    formula: str | None = None
    builtin_pooler: bool | None = None
    pooler_max_clients: int | str | None = None

    @property
    def name(self) -> str:
        """``provider:class``, as ``--managed`` takes it."""
        return f"{self.provider}:{self.size}"


class Catalogue(msgspec.Struct, frozen=True):
    """Every class that is known."""

    classes: tuple[ManagedClass, ...]

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the providers, sorted."""
        return tuple(sorted({one.provider for one in self.classes}))

    def of(self, provider: str) -> tuple[ManagedClass, ...]:
        """The classes of one provider, smallest first."""
        return tuple(one for one in self.classes if one.provider == provider)

    def find(self, name: str) -> ManagedClass:
        """The class called ``provider:class``. Short provider names (aws-rds, azure) do when only one begins so.

        Raises OperatorError naming the providers or the nearest classes when there is none.
        """
        short, colon, size = name.partition(":")
        if not colon or not size:
            raise OperatorError(
                f"--managed {name!r} is not PROVIDER:CLASS", f"providers are {', '.join(self.providers)}"
            )
        provider = self._provider(short)
        classes = self.of(provider)
        for one in classes:
            if one.size.lower() == size.lower():
                return one
        raise OperatorError(
            f"--managed {name!r}: {provider} has no class {size!r}", f"nearby are {', '.join(_nearby(size, classes))}"
        )

    def _provider(self, short: str) -> str:
        wanted = short.lower()
        if wanted in self.providers:
            return wanted
        begin = [provider for provider in self.providers if provider.startswith(wanted)]
        if len(begin) == 1:
            return begin[0]
        if begin:
            raise OperatorError(
                f"--managed {short!r} may be any of {', '.join(begin)}", "write the provider's name in full"
            )
        raise OperatorError(f"--managed: no provider {short!r}", f"providers are {', '.join(self.providers)}")


class _Size(msgspec.Struct, frozen=True, rename={"size": "class"}):
    size: str
    max_connections: int | None
    memory_gib: float | None = None
    vcpus: int | None = None
    reserved: int | None = None
    usable_connections: int | None = None
    builtin_pooler: bool | None = None
    pooler_max_clients: int | str | None = None


class _Group(msgspec.Struct, frozen=True):
    """Classes of one provider that share a source."""

    provider: str
    kind: str
    formula: str | None
    source: str
    confidence: str
    classes: tuple[_Size, ...]


def parse_catalogue(content: bytes) -> Catalogue:
    """The catalogue from its JSON, a list of groups. Raises msgspec.ValidationError when it is none."""
    return Catalogue(
        tuple(
            ManagedClass(
                provider=group.provider,
                kind=group.kind,
                formula=group.formula,
                source=group.source,
                confidence=group.confidence,
                **msgspec.structs.asdict(size),
            )
            for group in msgspec.json.decode(content, type=tuple[_Group, ...])
            for size in group.classes
        )
    )


def _nearby(size: str, classes: tuple[ManagedClass, ...], count: int = 6) -> list[str]:
    """Names of the classes most like ``size``, alike first, then the provider's first ones."""
    names = [one.size for one in classes]
    import difflib

    alike = difflib.get_close_matches(size, names, n=count, cutoff=0.4)
    return alike + [name for name in names if name not in alike][: count - len(alike)]
