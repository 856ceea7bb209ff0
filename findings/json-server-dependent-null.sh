#!/usr/bin/env bash
# json-server 1.0.0-beta.15 (npm): `DELETE /posts/2?_dependent=comments` also deletes the comment that belongs to no post.
#
# `_dependent` is to delete what refers to the deleted record. A comment with `"postId": null` refers to none, and
# a comment that was written without the field stays. The one with null goes, although post 2 had no comments at all.
set -euo pipefail
cd "$(mktemp -d)"
npm init --yes > init.txt
npm install --silent --no-audit --no-fund json-server@1.0.0-beta.15 > npm.txt 2>&1
cat > db.json <<'JSON'
{
  "posts": [{ "id": "1", "title": "a" }, { "id": "2", "title": "b" }],
  "comments": [
    { "id": "1", "text": "of none", "postId": null },
    { "id": "2", "text": "of post 1", "postId": "1" },
    { "id": "3", "text": "without the field" }
  ]
}
JSON
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
node node_modules/json-server/lib/bin.js db.json --host 127.0.0.1 --port "$port" > server.txt 2>&1 &
trap 'kill $! 2> /dev/null || true' EXIT
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/posts" > posts.txt && break; sleep 0.1; done
ids() { curl -sf "http://127.0.0.1:$port/comments" | python3 -c 'import json, sys; print([each["id"] for each in json.load(sys.stdin)])'; }
before=$(ids)
curl -sf -X DELETE "http://127.0.0.1:$port/posts/2?_dependent=comments" > deleted.txt
after=$(ids)
echo "comments before: $before"
echo "comments after:  $after"
[ "$before" = "['1', '2', '3']" ] && [ "$after" = "['2', '3']" ]
