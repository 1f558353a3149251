"""Requests to servers that may be slow, busy or gone: asked again with patience, and told of in one sentence."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http.client import responses
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests import exceptions
from urllib3.exceptions import InvalidHeader, MaxRetryError, NameResolutionError
from urllib3.util import Retry

from ctrbench._version import __version__
from ctrbench.errors import DataError

PATIENCE = Retry(total=6, backoff_factor=1, backoff_max=60)
"""Tries again after 0, 2, 4, … 32 seconds, as long as nothing new arrives."""
LONGEST_WAIT = 300.0
"""Seconds to wait at a server's bidding; one that asks for more is left alone."""
TIMEOUT = (15.0, 60.0)
"""Seconds for a connection to be made, and for a silence on it."""

_BUSY = (408, 425, 429, 500, 502, 503, 504)
_MOST_REDIRECTS = 5
_T = TypeVar("_T")


class Again(Exception):
    """It did not work, and may work later: in `after` seconds, where the server says so."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Nameless(Again):
    """A server's name leads nowhere: either it is wrong, or this machine is offline."""


class Web:
    """A session that asks for files as they lie on the server, over https alone unless `plain` allows http.

    `tell` hears of every pause. `offline` is an advice for those who reach no server at all.
    """

    def __init__(
        self, *, plain: bool, tell: Callable[[str], None], patience: Retry = PATIENCE, offline: str = ""
    ) -> None:
        self.tell, self.patience, self.offline = tell, patience, offline
        self.answered = False
        self.told = ""
        self.session = requests.Session()
        self.session.headers.update({"User-Agent": f"ctrbench/{__version__}", "Accept-Encoding": "identity"})
        self.session.max_redirects = _MOST_REDIRECTS
        if not plain:
            del self.session.adapters["http://"]  # so that no redirect leads there

    def ask(self, method: str, url: str, headers: Mapping[str, str]) -> requests.Response:
        """A response whose body is still to be read; its status may be any but those of a busy server.

        Raises `Again` for what may pass, and `DataError` for what will not.
        """
        try:
            response = self.session.request(
                method, url, headers=dict(headers), stream=True, timeout=TIMEOUT, allow_redirects=True
            )
        except exceptions.TooManyRedirects:
            raise DataError(
                f"{url} redirects more than {_MOST_REDIRECTS} times; give another server as --mirror"
            ) from None
        except exceptions.InvalidSchema:
            raise DataError(f"{url} leads to an address that is not https; give another server as --mirror") from None
        except exceptions.SSLError as fault:
            if "CERTIFICATE" in str(fault):
                raise DataError(
                    f"{url}: the server's certificate is not accepted ({_reason(fault)}); look at this machine's clock"
                    " and certificates, or give another server as --mirror"
                ) from None
            raise Again(f"the connection is not secure ({_reason(fault)})") from None
        except exceptions.Timeout:
            raise Again("the server does not answer in time") from None
        except exceptions.ConnectionError as fault:
            if isinstance(getattr(fault.args[0] if fault.args else None, "reason", None), NameResolutionError):
                raise Nameless(f"the server's name {urlsplit(url).hostname} is not known here") from None
            raise Again(f"the server cannot be reached ({_reason(fault)})") from None
        except exceptions.RequestException as fault:
            raise DataError(f"{url} cannot be asked for ({fault}); look whether the address is right") from None
        self.answered = True
        if response.status_code in _BUSY:
            response.close()
            raise Again(_status(response), self._bidden(response))
        return response

    def patiently(self, url: str, once: Callable[[], _T], reached: Callable[[], int] = int) -> _T:
        """What `once` returns, called again after each `Again`; patience is renewed whenever `reached` grows.

        Raises `DataError` when patience is at an end, or the server asks for more of it than there is.
        """
        left, furthest = self.patience, reached()
        while True:
            try:
                return once()
            except Again as fault:
                if reached() > furthest:
                    left, furthest = self.patience, reached()
                left = self._pause(left, fault, url)

    def _pause(self, left: Retry, fault: Again, url: str) -> Retry:
        if isinstance(fault, Nameless) and left.history and not self.answered:  # a pause would not help
            raise DataError(f"{url}: {fault}: are you offline? {self.offline}".rstrip())
        try:
            left = left.increment(error=fault)
        except MaxRetryError:
            raise DataError(
                f"{url}: {fault}, {len(left.history) + 1} times in a row; run the same command later, which goes on"
                " where this one stopped, or give another server as --mirror"
            ) from None
        pause = left.get_backoff_time() if fault.after is None else fault.after
        if pause > LONGEST_WAIT:
            raise DataError(
                f"{url}: {fault}, and asks to be left alone for {pause / 60:.0f} minutes; run the same command then,"
                " which goes on where this one stopped, or give another server as --mirror"
            )
        what = f"{url}: {fault}"
        again = f"trying again {f'in {pause:.0f} s' if pause else 'now'}"
        self.tell(f"still so; {again}" if what == self.told else f"{what}; {again}")
        self.told = what
        time.sleep(pause)
        return left

    def _bidden(self, response: requests.Response) -> float | None:
        """Seconds of the header Retry-After, if it is there and readable."""
        try:
            return self.patience.parse_retry_after(response.headers.get("Retry-After", ""))
        except InvalidHeader:
            return None


def refuse(response: requests.Response, url: str) -> DataError:
    """The sentence for a status that is no file and will not become one."""
    if response.status_code in (404, 410):
        return DataError(
            f"{url} is not there ({response.status_code}): look on the dataset's page whether it moved, and give its"
            " new place, or another server, as --mirror"
        )
    return DataError(f"{url}: {_status(response)}; look at it in a browser, or give another server as --mirror")


def _status(response: requests.Response) -> str:
    words = responses.get(response.status_code, "")  # not the server's own, which may hold anything
    return f"the server answers {response.status_code} {words}".rstrip()


def _reason(fault: Any) -> str:
    """The innermost words of a chain of errors that quote each other."""
    inner = fault.args[0] if fault.args else fault
    return str(getattr(inner, "reason", inner)).rpartition(": ")[2]
