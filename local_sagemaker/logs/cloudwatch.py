"""The operations of CloudWatch Logs over the local log files.

It words requests, tokens and errors as the service does; it must not know who wrote a log.
"""

import base64
import json
import re
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from heapq import nsmallest
from itertools import islice
from typing import Any, TypeVar

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.logs.group_tags import GroupTags
from local_sagemaker.logs.lines import MAX_EVENT_BYTES
from local_sagemaker.logs.store import Event, GroupKey, LogMissing, LogNameTooLong, LogStore, Stream
from local_sagemaker.operations import Handler

# GetLogEvents and FilterLogEvents answer as many events as fit into 1 MB, 10,000 at most.
_MAX_BYTES = 1024 * 1024
_MAX_EVENTS = 10_000
_MAX_PAGE = 50
# PutLogEvents rejects events older than 14 days and those more than 2 hours in the future.
_OLDEST = 14 * 24 * 3600 * 1000
_NEWEST = 2 * 3600 * 1000
_GROUP_ARN = re.compile(r"arn:[^:]+:logs:[^:]*:\d*:log-group:(?P<name>[^:]+)(:\*)?")
_Item = TypeVar("_Item")
_TERM = re.compile(r'(?P<sign>[-?]?)(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))')


class CloudWatchLogs:
    """Answers the ``logs`` service.

    Parameters
    ----------
    store
        The log files.
    tags
        Of the groups.
    """

    def __init__(self, store: LogStore, tags: GroupTags) -> None:
        self._store = store
        self._tags = tags

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        handlers: dict[str, Handler] = {
            "CreateLogGroup": self._create_group,
            "CreateLogStream": self._create_stream,
            "DeleteLogGroup": self._delete_group,
            "DeleteLogStream": self._delete_stream,
            "DescribeLogGroups": self._describe_groups,
            "DescribeLogStreams": self._describe_streams,
            "FilterLogEvents": self._filter_events,
            "GetLogEvents": self._get_events,
            "PutLogEvents": self._put_events,
            **self._tags.operations(),
        }
        return {name: _worded(handler) for name, handler in handlers.items()}

    def _create_group(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        group = _group(caller, params)
        new = not self._store.has_group(group)
        if new:
            # Whoever sees the group sees its tags.
            self._tags.put(group, params.get("tags", {}))
        if not (new and self._store.create_group(group)):
            raise AWSError(
                "ResourceAlreadyExistsException", "The specified log group already exists"
            )
        return {}

    def _create_stream(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        if not self._store.create_stream(_group(caller, params), params["logStreamName"]):
            raise AWSError(
                "ResourceAlreadyExistsException", "The specified log stream already exists"
            )
        return {}

    def _delete_group(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        group = _group(caller, params)
        self._tags.forget(group)
        self._store.delete_group(group)
        return {}

    def _delete_stream(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._store.delete_stream(_group(caller, params), params["logStreamName"])
        return {}

    def _describe_groups(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        prefix = params.get("logGroupNamePrefix", "")
        pattern = params.get("logGroupNamePattern", "")
        groups = [
            (name, created)
            for name, created in self._store.groups(caller.account, caller.region).items()
            if name.startswith(prefix) and pattern.lower() in name.lower()
        ]
        chosen, token = _page(groups, params, lambda group: group[0])
        shown = []
        for name, created in chosen:
            arn = _group_arn(caller, name)
            shown.append(
                {
                    "logGroupName": name,
                    "creationTime": created,
                    "metricFilterCount": 0,
                    "arn": f"{arn}:*",
                    "logGroupArn": arn,
                    "storedBytes": 0,
                    "logGroupClass": "STANDARD",
                }
            )
        return {"logGroups": shown, **token}

    def _describe_streams(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        group = _group(caller, params)
        prefix = params.get("logStreamNamePrefix", "")
        by_time = params.get("orderBy") == "LastEventTime"
        if by_time and prefix:
            raise _invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        names = self._store.stream_names(group, prefix)
        if by_time:
            streams = {name: self._store.stream(group, name) for name in names}
            names.sort(key=lambda name: streams[name].last or 0)
        if params.get("descending"):
            names.reverse()
        chosen, token = _page(names, params, str)
        arn = _group_arn(caller, group.name)
        shown = [_shown_stream(arn, self._store.stream(group, name)) for name in chosen]
        return {"logStreams": shown, **token}

    def _get_events(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        group, stream = _group(caller, params), params["logStreamName"]
        forward, position = _position(params)
        if forward:
            start = position or 0
            scanned, events = _scan(self._store.forward(group, stream, start), params)
            end = scanned[-1].end if scanned else start
        else:
            scanned, events = _scan(self._store.backward(group, stream, position), params)
            end = position or (scanned[0].end if scanned else 0)
            start = scanned[-1].start if scanned else end
            events.reverse()
        return {
            "events": [_shown_event(event) for event in events],
            "nextForwardToken": f"f/{end:020d}",
            "nextBackwardToken": f"b/{start:020d}",
        }

    def _filter_events(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        group = _group(caller, params)
        if "logStreamNames" in params and "logStreamNamePrefix" in params:
            raise _invalid("Only one of logStreamNames and logStreamNamePrefix can be given.")
        names = params.get("logStreamNames")
        if names is None:
            names = self._store.stream_names(group, params.get("logStreamNamePrefix", ""))
        matches = _pattern(params.get("filterPattern", ""))
        after = _decode_token(params.get("nextToken"))
        found = (
            located
            for located in self._located(group, names, after)
            if _in_range(located[1], params) and matches(located[1].message)
        )
        limit = params.get("limit", _MAX_EVENTS)
        if len(names) == 1:
            first = list(islice(found, limit + 1))
        else:
            # One file is open at a time, however many streams a group has.
            first = nsmallest(limit + 1, found, key=_place)
        chosen, more = first[:limit], len(first) > limit
        shown = [
            {
                **_shown_event(event),
                "logStreamName": name,
                "eventId": f"{event.timestamp:020d}{event.start:020d}",
            }
            for name, event in chosen
        ]
        token = {"nextToken": _encode_token(_place(chosen[-1]))} if more else {}
        return {"events": shown, "searchedLogStreams": [], **token}

    def _located(
        self, group: GroupKey, names: list[str], after: tuple[int, str, int]
    ) -> Iterator[tuple[str, Event]]:
        if len(names) == 1:
            # A single stream is read on from where the last page ended.
            for event in self._store.forward(group, names[0], max(0, after[2])):
                if event.start > after[2]:
                    yield names[0], event
            return
        for name in names:
            for event in self._store.forward(group, name):
                if _place((name, event)) > after:
                    yield name, event

    def _put_events(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        group, stream = _group(caller, params), params["logStreamName"]
        if stream not in self._store.stream_names(group, stream):
            raise LogMissing("log stream")
        events = [(event["timestamp"], event["message"]) for event in params["logEvents"]]
        times = [timestamp for timestamp, _ in events]
        if times != sorted(times):
            raise _invalid(
                "Log events in a single PutLogEvents request must be in chronological order."
            )
        if any(len(message.encode(errors="replace")) > MAX_EVENT_BYTES for _, message in events):
            raise _invalid(f"Log event too large: more than {MAX_EVENT_BYTES} bytes.")
        now = int(time.time() * 1000)
        first = bisect_left(times, now - _OLDEST)
        last = bisect_right(times, now + _NEWEST)
        writer = self._store.writer(group.account, group.region, group.name, stream)
        try:
            writer.append(events[first:last])
        finally:
            writer.close()
        rejected = {}
        if first > 0:
            rejected["tooOldLogEventEndIndex"] = first
        if last < len(events):
            rejected["tooNewLogEventStartIndex"] = last
        return {"rejectedLogEventsInfo": rejected} if rejected else {}


def _worded(handler: Handler) -> Handler:
    """Return a handler that words the log store's errors as the service does."""

    def answer(caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        try:
            return handler(caller, params)
        except LogMissing as error:
            raise AWSError("ResourceNotFoundException", str(error)) from error
        except LogNameTooLong as error:
            raise _invalid(str(error)) from error

    return answer


def _invalid(message: str) -> AWSError:
    return AWSError("InvalidParameterException", message)


def _group(caller: Caller, params: dict[str, Any]) -> GroupKey:
    if ("logGroupName" in params) == ("logGroupIdentifier" in params):
        raise _invalid("Exactly one of logGroupName and logGroupIdentifier must be given.")
    name: str = params.get("logGroupName") or params["logGroupIdentifier"]
    match = _GROUP_ARN.fullmatch(name)
    return GroupKey(caller.account, caller.region, match["name"] if match else name)


def _group_arn(caller: Caller, name: str) -> str:
    return f"arn:aws:logs:{caller.region}:{caller.account}:log-group:{name}"


def _shown_stream(group_arn: str, stream: Stream) -> dict[str, Any]:
    times = {
        "firstEventTimestamp": stream.first,
        "lastEventTimestamp": stream.last,
        "lastIngestionTime": stream.last_ingestion,
    }
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        "arn": f"{group_arn}:log-stream:{stream.name}",
        "storedBytes": 0,
        **{name: value for name, value in times.items() if value is not None},
    }


def _shown_event(event: Event) -> dict[str, Any]:
    return {
        "timestamp": event.timestamp,
        "message": event.message,
        "ingestionTime": event.ingestion,
    }


def _position(params: dict[str, Any]) -> tuple[bool, int | None]:
    """Return whether to read forward, and from which byte; None for an end of the stream."""
    token = params.get("nextToken")
    if token is None:
        return bool(params.get("startFromHead")), None
    match = re.fullmatch(r"([fb])/(\d{20})", token)
    if match is None:
        raise _invalid("The specified nextToken is invalid.")
    return match[1] == "f", int(match[2])


def _scan(events: Iterator[Event], params: dict[str, Any]) -> tuple[list[Event], list[Event]]:
    """Return the first and last event looked at (or none), and those that fit the answer."""
    limit, size = params.get("limit", _MAX_EVENTS), 0
    first: Event | None = None
    last: Event | None = None
    chosen: list[Event] = []
    for event in events:
        size += event.end - event.start
        if size > _MAX_BYTES and chosen:
            break
        first, last = first or event, event
        if _in_range(event, params):
            chosen.append(event)
            if len(chosen) == limit:
                break
        else:
            size -= event.end - event.start
    return ([first, last] if first and last else []), chosen


def _in_range(event: Event, params: dict[str, Any]) -> bool:
    start, end = params.get("startTime"), params.get("endTime")
    return (start is None or event.timestamp >= start) and (end is None or event.timestamp < end)


def _pattern(pattern: str) -> Callable[[str], bool]:
    """Return a predicate for a pattern of terms: all plain ones, none with -, any with ?."""
    pattern = pattern.strip()
    if pattern.startswith(("{", "[", "%")):
        raise _invalid(
            f"The filter pattern {pattern!r} is not one of terms: the local SageMaker matches "
            'terms only, for instance: ERROR -"retrying" ?timeout ?refused'
        )
    terms: dict[str, list[str]] = {"": [], "-": [], "?": []}
    for match in _TERM.finditer(pattern):
        word = match["word"] if match["phrase"] is None else match["phrase"]
        terms[match["sign"]].append(word)

    def matches(message: str) -> bool:
        return (
            all(word in message for word in terms[""])
            and not any(word in message for word in terms["-"])
            and (not terms["?"] or any(word in message for word in terms["?"]))
        )

    return matches


def _place(located: tuple[str, Event]) -> tuple[int, str, int]:
    """Return where an event stands among those of all streams."""
    name, event = located
    return event.timestamp, name, event.start


def _page(
    items: list[_Item], params: dict[str, Any], identify: Callable[[_Item], str]
) -> tuple[list[_Item], dict[str, str]]:
    """Cut one page; the token names the page's last item."""
    token = params.get("nextToken")
    if token is not None:
        names = [identify(item) for item in items]
        last = _decode_text(token)
        if last not in names:
            raise _invalid("The specified nextToken is invalid.")
        items = items[names.index(last) + 1 :]
    limit = params.get("limit", _MAX_PAGE)
    chosen = items[:limit]
    if len(items) <= limit:
        return chosen, {}
    return chosen, {"nextToken": _encode_text(identify(chosen[-1]))}


def _encode_text(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decode_text(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError as error:
        raise _invalid("The specified nextToken is invalid.") from error


def _encode_token(place: tuple[int, str, int]) -> str:
    return _encode_text(json.dumps(place))


def _decode_token(token: str | None) -> tuple[int, str, int]:
    if token is None:
        return (-1, "", -1)
    try:
        timestamp, name, start = json.loads(_decode_text(token))
        return (int(timestamp), str(name), int(start))
    except ValueError as error:
        raise _invalid("The specified nextToken is invalid.") from error
