"""Which resources a List asks for: what each of its filters means follows from its name.

``NameContains``, ``StatusEquals``, ``CreationTimeAfter``, ``DomainIdEquals``, ``ClusterArn``: a
filter is a member that Describe shows, and a test. One whose meaning is not known is refused,
because a filter that is ignored lies. It must not know any kind of resource.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception

# Members of List requests that select nothing.
OF_PAGES = frozenset({"MaxResults", "NextToken", "SortBy", "SortOrder"})
CREATED = ("CreationTime", "Creation", "Created", "CreatedAt", "CreateDate")
MODIFIED = ("LastModifiedTime", "LastModified", "ModifiedTime", "LastModifiedAt", "LastUpdatedDate")

_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "Contains": lambda value, wanted: wanted.lower() in str(value).lower(),
    "Prefix": lambda value, wanted: str(value).startswith(wanted),
    "After": lambda value, wanted: value > wanted,
    "Before": lambda value, wanted: value < wanted,
    "Equals": lambda value, wanted: wanted in value if isinstance(value, list) else value == wanted,
}


@dataclass(frozen=True)
class Vocabulary:
    """What the members of one kind are called in filters and orders.

    Attributes
    ----------
    members
        What Describe shows.
    name_key, status_key
        Its name and its status.
    aliases
        Other names, to dotted paths into what Describe shows.
    """

    members: frozenset[str]
    name_key: str
    status_key: str | None
    aliases: Mapping[str, str]

    def path(self, word: str) -> str | None:
        """Return where the content of a member lies, or None for one that is not known."""
        if word in self.aliases:
            return self.aliases[word]
        if word == "Name":
            return self.name_key
        if word == "Status":
            return self.status_key
        for path, words in ((".created", CREATED), (".modified", MODIFIED)):
            if word in words:
                return path
        for name in (word, f"{word}Name"):
            if name in self.members:
                return name
        return None


@dataclass(frozen=True)
class Filter:
    """One condition on what Describe shows."""

    path: str
    test: Callable[[Any, Any], bool]
    wanted: Any

    def __call__(self, content: Mapping[str, Any]) -> bool:
        """Tell whether a resource passes; one without the member does not."""
        value = found(content, self.path)
        return value is not None and self.test(value, self.wanted)


def understood(name: str, vocabulary: Vocabulary) -> tuple[str, str] | None:
    """Return the path and the test that a filter's name stands for, or None."""
    if name in vocabulary.aliases:
        return vocabulary.aliases[name], "Equals"
    for test in _TESTS:
        stem = name.removesuffix(test)
        if stem not in ("", name) and (path := vocabulary.path(stem)):
            return path, test
    path = vocabulary.path(name)
    return (path, "Equals") if path else None


def filters(params: Mapping[str, Any], vocabulary: Vocabulary) -> list[Filter]:
    """Return the conditions of a List request.

    Raises
    ------
    AWSError
        ``ValidationException`` for a filter that is not understood.
    """
    made = []
    for name, wanted in params.items():
        if name in OF_PAGES or wanted is None:
            continue
        meaning = understood(name, vocabulary)
        if meaning is None:
            raise not_done(name)
        path, test = meaning
        made.append(Filter(path, _TESTS[test], wanted))
    return made


def not_done(name: str) -> AWSError:
    """Return the refusal of a member that has no effect here."""
    return validation_exception(
        f"{name} is not done by the local SageMaker, and is refused rather than ignored. Leave it "
        "out, or use AWS for it."
    )


def found(content: Mapping[str, Any], path: str) -> Any:
    """Return what lies at a path, which begins with a dot where it is no member, or None.

    Behind a list the path leads into each of its items.
    """
    if path.startswith("."):
        return content.get(path)
    name, _, rest = path.partition(".")
    value = content.get(name)
    if not rest:
        return value
    if isinstance(value, list):
        inside = [found(item, rest) for item in value if isinstance(item, Mapping)]
        return [item for item in inside if item is not None]
    return found(value, rest) if isinstance(value, Mapping) else None
