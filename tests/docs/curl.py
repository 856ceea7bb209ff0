"""A stand-in for curl, as far as the pages use it: ``curl [-i] [-X METHOD] [-H HEADER] URL [-d DATA]``.

Run as a script. It sends what curl would send and prints what curl would print.
"""

from __future__ import annotations

import argparse
import http.client
import sys
from urllib.parse import urlsplit

_FORM = "application/x-www-form-urlencoded"


def main() -> None:
    options = _parser().parse_args()
    url = urlsplit(options.url if "://" in options.url else f"http://{options.url}")
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
    target = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
    method = options.method or ("GET" if options.data is None else "POST")
    body = None if options.data is None else options.data.encode()
    connection.request(method, target, body, _headers(options.headers, has_body=body is not None))
    response = connection.getresponse()
    if options.include:
        sys.stdout.write(f"HTTP/1.1 {response.status} {response.reason}\r\n")
        sys.stdout.writelines(f"{name}: {value}\r\n" for name, value in response.getheaders())
        sys.stdout.write("\r\n")
    sys.stdout.write(response.read().decode())


def _headers(given: list[str], *, has_body: bool) -> dict[str, str]:
    headers = {"Accept": "*/*", "User-Agent": "curl/8.5.0"} | ({"Content-Type": _FORM} if has_body else {})
    for line in given:
        name, _, value = line.partition(":")
        headers[name] = value.strip()
    return headers


def _parser() -> argparse.ArgumentParser:
    """Options that are not known here end it, so that no command of a page is half run."""
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-i", dest="include", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data")
    return parser


if __name__ == "__main__":
    main()
